/** The lanes of an agent, with the backlog of each in bytes. */
export type LaneBacklogs = { readonly lanes: ReadonlyMap<number, { readonly backlog: number }> };

/** Chooses the lane for a new stream: the data lane with the smallest backlog; lane 0 only when there is no other. */
export function dataLane({ lanes }: LaneBacklogs): number {
  let best = 0;
  let least = Number.POSITIVE_INFINITY;
  for (const [index, lane] of lanes) {
    // Lanes don't count their streams; the random part spreads new streams while all lanes are idle.
    const load = lane.backlog + Math.random();
    if (index > 0 && load < least) [best, least] = [index, load];
  }
  return best;
}

/** Backlog in bytes at which a new request would wait too long. */
const BUSY_BYTES = 128 * 1024;

/**
 * Chooses the lane for a request: the first data lane that is not busy, because requests that come together can share a message
 * only on one lane. Never lane 0, which carries voice, unless there is no other.
 */
export function requestLane({ lanes }: LaneBacklogs): number {
  let first = Number.POSITIVE_INFINITY;
  for (const [index, { backlog }] of lanes) if (index > 0 && index < first && backlog < BUSY_BYTES) first = index;
  return Number.isFinite(first) ? first : dataLane({ lanes });
}
