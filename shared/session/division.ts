import { MAX_STREAM_WINDOW, MIN_BUDGET } from "../wire/limits.ts";

// Dividing a budget into shares. Bytes that are unread can't be divided. Every share gets an equal part of the rest, then those
// with a demand for more get that, and what is left is divided equally.

/** Part of the free budget that is divided equally, whatever the demands: the first bytes of a burst need not wait. */
const EQUAL_PART = 1 / 5;
/** Part of the budget that counts as free even if all of it is unread, so that no share is stopped by others' stalled readers. */
const FREE_PART = 1 / 8;
/** Values that a demand may have, in bytes, and steps of what is unread: fewer values mean fewer BUDGET frames. */
const LEVELS = [4 * 1024 * 1024, MAX_STREAM_WINDOW];
const UNREAD_STEP = 512 * 1024;

/** What one share of a budget is needed for, in bytes. */
export type Demand = {
  /** Session windows that its readers could use; 0: an equal share will do. */
  bytes: number;
  /** Bytes that stalled readers have not taken: their part of the budget is not free. */
  unread: number;
};

export const NO_DEMAND: Demand = { bytes: 0, unread: 0 };

/** Rounds to a demand: `windows` is what the windows of proven streams should be together, in bytes. */
export function demandOf(windows: number, unread: number): Demand {
  const level = LEVELS.find((bytes) => windows <= (bytes * 3) / 4) ?? MAX_STREAM_WINDOW;
  return { bytes: windows < LEVELS[0]! / 4 ? 0 : level, unread: Math.ceil(unread / UNREAD_STEP) * UNREAD_STEP };
}

/** Adds demands up. */
export function sumDemands(demands: readonly Demand[]): Demand {
  const bytes = demands.reduce((sum, each) => sum + each.bytes, 0);
  const unread = demands.reduce((sum, each) => sum + each.unread, 0);
  return { bytes: Math.min(MAX_STREAM_WINDOW, bytes), unread };
}

/**
 * Divides `budget` bytes into one share for each demand; together they are never more. The number of shares is rounded up to a
 * power of two, so that ends that come and go don't change all other shares each time.
 */
export function divide(budget: number, demands: readonly Demand[]): number[] {
  const count = 2 ** Math.ceil(Math.log2(Math.max(1, demands.length)));
  const unread = demands.reduce((sum, each) => sum + each.unread, 0);
  const keptPart = unread === 0 ? 0 : Math.min(1, (budget * (1 - FREE_PART)) / unread);
  const kept = demands.map((each) => each.unread * keptPart);
  const free = budget - unread * keptPart;
  const least = Math.min(free / count, Math.max((free * EQUAL_PART) / count, MIN_BUDGET));
  const shares = demands.map(() => least);
  let left = free - least * count;
  let short = [...demands.keys()].filter((index) => (demands[index]?.bytes ?? 0) > least);
  while (short.length > 0 && left >= 1) {
    const each = left / short.length;
    for (const index of short) {
      const more = Math.min(each, (demands[index]?.bytes ?? 0) - (shares[index] ?? 0));
      shares[index] = (shares[index] ?? 0) + more;
      left -= more;
    }
    const still = short.filter((index) => (demands[index]?.bytes ?? 0) > (shares[index] ?? 0));
    if (still.length === short.length) break;
    short = still;
  }
  return shares.map((part, index) => Math.floor(part + left / count + (kept[index] ?? 0)));
}
