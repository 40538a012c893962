import { MIN_BUDGET } from "../../../shared/wire/limits.ts";

/**
 * What one end of an identity may grant in session windows, in bytes, of what the identity may: so whoever opens many ends with
 * one token takes from himself alone. In powers of two, so that not all are told anew each time one comes or goes.
 */
export function sharePerEnd(share: number, ends: number): number {
  return Math.floor(share / 2 ** Math.ceil(Math.log2(Math.max(1, ends))));
}

/** Whether an end with this share can be served decently. */
export function isSufficient(share: number): boolean {
  return share >= MIN_BUDGET;
}
