/** The lanes of an agent, with the bytes on their way over each. */
export type LaneBacklogs = { readonly lanes: ReadonlyMap<number, { readonly backlog: number }> };

/** The lane for a new stream: the data lane with the least on its way; lane 0 only when there is no other. */
export function dataLane({ lanes }: LaneBacklogs): number {
  let best = 0;
  let least = Number.POSITIVE_INFINITY;
  for (const [index, lane] of lanes) {
    // The number of streams is not known here; a random part spreads them while all are idle.
    const load = lane.backlog + Math.random();
    if (index > 0 && load < least) [best, least] = [index, load];
  }
  return best;
}

/** Bytes on their way over a lane behind which a request would wait for too long. */
const BUSY_BYTES = 128 * 1024;

/**
 * The lane for a request: the first data lane that is not busy, for what comes together can leave in one message only on one
 * lane. Never lane 0, where voices are, unless there is no other.
 */
export function requestLane({ lanes }: LaneBacklogs): number {
  let first = Number.POSITIVE_INFINITY;
  for (const [index, { backlog }] of lanes) if (index > 0 && index < first && backlog < BUSY_BYTES) first = index;
  return Number.isFinite(first) ? first : dataLane({ lanes });
}
