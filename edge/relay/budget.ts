import { MIN_BUDGET, RELAY_BUDGET } from "../../shared/limits.ts";

/**
 * What one end may grant in session windows, in bytes: an equal share for every identity and one for the relay's own
 * ingress, divided over the ends of that identity. So whoever opens many ends with one token takes from himself alone.
 * Shares move in powers of two, so that ends coming and going don't make everyone be told anew each time.
 */
export function shareOf(identities: number, ends: number): number {
  return RELAY_BUDGET / 2 ** Math.ceil(Math.log2(identities + 1)) / 2 ** Math.ceil(Math.log2(Math.max(1, ends)));
}

/** Whether an end with this share can be served decently. */
export function isDecent(share: number): boolean {
  return share >= MIN_BUDGET;
}
