import { MAX_STREAM_WINDOW, MIN_BUDGET } from "../wire/limits.ts";

// Who gets how much of a budget. What readers that have stopped hold is not there to be given; of the rest everyone gets a
// little, who wants more gets it first, and what is left goes to all alike.

/** Of what there is to give, what is divided whatever is wanted: nobody waits for the first bytes of a burst. */
const EQUAL_PART = 1 / 5;
/** Of the budget, what is given even if all of it is held: nobody stands still because of others. */
const FREE_PART = 1 / 8;
/** Bytes that are asked for; fewer sizes mean fewer words. */
const LEVELS = [4 * 1024 * 1024, MAX_STREAM_WINDOW];
const UNREAD_STEP = 512 * 1024;

/** What one of those who share a budget needs of it, in bytes. */
export type Demand = {
  /** What its readers could use; 0: what everyone gets. */
  bytes: number;
  /** What waits for readers that have stopped: it can't be taken back. */
  unread: number;
};

export const NO_DEMAND: Demand = { bytes: 0, unread: 0 };

/** What to ask for when the windows of those that read should be `wanted` bytes together, and the others hold `stuck` bytes. */
export function demandOf(windows: number, unread: number): Demand {
  const level = LEVELS.find((bytes) => windows <= (bytes * 3) / 4) ?? MAX_STREAM_WINDOW;
  return { bytes: windows < LEVELS[0]! / 4 ? 0 : level, unread: Math.ceil(unread / UNREAD_STEP) * UNREAD_STEP };
}

/** What several need together. */
export function sumDemands(demands: readonly Demand[]): Demand {
  const bytes = demands.reduce((sum, each) => sum + each.bytes, 0);
  const unread = demands.reduce((sum, each) => sum + each.unread, 0);
  return { bytes: Math.min(MAX_STREAM_WINDOW, bytes), unread };
}

/**
 * Divides `budget` bytes; the parts together are never more. Counts are rounded up to powers of two, so that ends coming and
 * going don't change the parts of all others each time.
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
