import { MIN_BUDGET } from "../../../shared/wire/limits.ts";

/**
 * Returns one end's part of its identity's share, in bytes of session windows, so that many ends with one token take from each other
 * only. The divisor is a power of two, so that most changes in the number of ends leave the parts as they are.
 */
export function sharePerEnd(share: number, ends: number): number {
  return Math.floor(share / 2 ** Math.ceil(Math.log2(Math.max(1, ends))));
}

/** Whether a share is large enough for an end to work with. */
export function isSufficient(share: number): boolean {
  return share >= MIN_BUDGET;
}
