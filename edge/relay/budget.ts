import { MIN_BUDGET, RELAY_BUDGET } from "../../shared/limits.ts";

/**
 * What each end may grant in session windows, in bytes: an equal share for every end and one for the relay's own ingress.
 * Shares move in powers of two, so that ends coming and going don't make everyone be told anew each time.
 */
export function shareOf(ends: number): number {
  return RELAY_BUDGET / 2 ** Math.ceil(Math.log2(ends + 1));
}

/** Whether one more end can still be served decently. */
export function hasRoomFor(ends: number): boolean {
  return shareOf(ends) >= MIN_BUDGET;
}
