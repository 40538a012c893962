import { MAX_STREAM_WINDOW, MIN_BUDGET } from "../wire/limits.ts";

// Who gets how much of a budget. What readers that have stopped hold is not there to be given; of the rest everyone gets a
// little, who wants more gets it first, and what is left goes to all alike.

/** Of what there is to give, what is divided whatever is wanted: nobody waits for the first bytes of a burst. */
const LEAST_PART = 1 / 5;
/** Of the budget, what is given even if all of it is held: nobody stands still because of others. */
const KEPT_PART = 1 / 8;
/** Bytes that are asked for; fewer sizes mean fewer words. */
const LEVELS = [4 * 1024 * 1024, MAX_STREAM_WINDOW];
const STUCK_STEP = 512 * 1024;

/** What one of those who share a budget needs of it, in bytes. */
export type Demand = {
  /** What its readers could use; 0: what everyone gets. */
  wants: number;
  /** What waits for readers that have stopped: it can't be taken back. */
  stuck: number;
};

export const NO_DEMAND: Demand = { wants: 0, stuck: 0 };

/** What to ask for when the windows of those that read should be `wanted` bytes together, and the others hold `stuck` bytes. */
export function demandOf(wanted: number, stuck: number): Demand {
  const level = LEVELS.find((bytes) => wanted <= (bytes * 3) / 4) ?? MAX_STREAM_WINDOW;
  return { wants: wanted < LEVELS[0]! / 4 ? 0 : level, stuck: Math.ceil(stuck / STUCK_STEP) * STUCK_STEP };
}

/** What several need together. */
export function sumOf(demands: readonly Demand[]): Demand {
  const wants = demands.reduce((sum, each) => sum + each.wants, 0);
  const stuck = demands.reduce((sum, each) => sum + each.stuck, 0);
  return { wants: Math.min(MAX_STREAM_WINDOW, wants), stuck };
}

/**
 * Divides `budget` bytes; the parts together are never more. Counts are rounded up to powers of two, so that ends coming and
 * going don't change the parts of all others each time.
 */
export function divide(budget: number, demands: readonly Demand[]): number[] {
  const slots = 2 ** Math.ceil(Math.log2(Math.max(1, demands.length)));
  const stuck = demands.reduce((sum, each) => sum + each.stuck, 0);
  const counted = stuck === 0 ? 0 : Math.min(1, (budget * (1 - KEPT_PART)) / stuck);
  const held = demands.map((each) => each.stuck * counted);
  const free = budget - stuck * counted;
  const least = Math.min(free / slots, Math.max((free * LEAST_PART) / slots, MIN_BUDGET));
  const parts = demands.map(() => least);
  let left = free - least * slots;
  let short = [...demands.keys()].filter((index) => (demands[index]?.wants ?? 0) > least);
  while (short.length > 0 && left >= 1) {
    const each = left / short.length;
    for (const index of short) {
      const more = Math.min(each, (demands[index]?.wants ?? 0) - (parts[index] ?? 0));
      parts[index] = (parts[index] ?? 0) + more;
      left -= more;
    }
    const still = short.filter((index) => (demands[index]?.wants ?? 0) > (parts[index] ?? 0));
    if (still.length === short.length) break;
    short = still;
  }
  return parts.map((part, index) => Math.floor(part + left / slots + (held[index] ?? 0)));
}
