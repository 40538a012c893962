/** How a stream gets going. */

/** Seconds in which windows may open; what comes after them is the rate, of ours as of the bare connection. */
export const WARM_UP = 3;
/** A stream has opened when it is as fast as this part of the bare connection's rate. */
export const OPEN = 0.9;

/** A piece of a stream's life, in seconds since its beginning. */
export interface Interval {
  readonly from: number;
  readonly to: number;
  readonly bytesPerSecond: number;
}

/** What iperf3's server prints of one stream, with `-f K`: its own intervals, without the sum at the end. */
export function intervals(text: string): Interval[] {
  const [lines = ""] = text.split("- - - -");
  return [...lines.matchAll(/([\d.]+)-([\d.]+)\s+sec\s.*?([\d.]+) KBytes\/sec/g)].map(([, from, to, rate]) => ({
    from: Number(from),
    to: Number(to),
    bytesPerSecond: Number(rate) * 1024,
  }));
}

/** The mean rate from this second on; NaN when nothing lasted as long. */
export function rateAfter(all: readonly Interval[], second: number): number {
  const counted = all.filter(({ from }) => from >= second - 0.01);
  const bytes = counted.reduce((sum, { from, to, bytesPerSecond }) => sum + bytesPerSecond * (to - from), 0);
  return bytes / counted.reduce((sum, { from, to }) => sum + to - from, 0);
}

/** Seconds until it first was as fast as this for two intervals in a row, and so not by chance; null: never. */
export function secondsUntil(all: readonly Interval[], bytesPerSecond: number): number | null {
  const first = all.findIndex((each, index) =>
    [each, all[index + 1]].every((either) => either !== undefined && either.bytesPerSecond >= bytesPerSecond),
  );
  return all[first]?.to ?? null;
}
