import { cpuSeconds } from "./proc.ts";
import type { Peer } from "./peer.ts";
import { median, spread } from "./stats.ts";

/** One reading of one peer; several names, as of percentiles. */
export type Reading = Readonly<Record<string, number>>;

export interface Series {
  readonly peer: Peer;
  readonly readings: readonly Reading[];
}

/**
 * Measures every peer once a round, forwards and backwards in turn, so that what drifts on the machine hits all alike.
 * A reading that fails is told and left out; a peer without any reading is left out.
 */
export async function interleaved(
  peers: readonly Peer[],
  rounds: number,
  measure: (peer: Peer) => Promise<Reading>,
): Promise<Series[]> {
  const readings = new Map(peers.map((peer) => [peer, [] as Reading[]]));
  for (let round = 0; round < rounds; round += 1) {
    for (const peer of round % 2 === 0 ? peers : peers.toReversed()) {
      try {
        readings.get(peer)?.push(await measure(peer));
      } catch (error) {
        console.error(`  ${peer.name}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }
  return peers
    .map((peer) => ({ peer, readings: readings.get(peer) ?? [] }))
    .filter((series) => series.readings.length > 0);
}

/** The median of one name over the rounds; NaN when there is none. */
export function valueOf(series: Series | undefined, name: string): number {
  return median(namesIn(series, name));
}

export function spreadOf(series: Series | undefined, name: string): number {
  return spread(namesIn(series, name));
}

/**
 * One peer's value as a part of another's: the median of the rounds' own ratios, which what all rounds have in common does not touch.
 */
export function ratio(series: readonly Series[], name: string, peer: string, to: string): number {
  const [above, below] = [peer, to].map((wanted) =>
    namesIn(
      series.find((each) => each.peer.name === wanted),
      name,
    ),
  );
  if (above === undefined || below === undefined || above.length !== below.length) return Number.NaN;
  return median(above.map((value, round) => value / (below[round] ?? Number.NaN)));
}

/** Runs something and answers the CPU seconds that each of the peer's processes spent on it, as `cpu NAME`. */
export async function withCpu<T>(peer: Peer, action: () => Promise<T>): Promise<{ result: T; cpu: Reading }> {
  const names = Object.entries(peer.processes);
  const before = names.map(([, pid]) => cpuSeconds(pid));
  const result = await action();
  return {
    result,
    cpu: Object.fromEntries(names.map(([name, pid], index) => [`cpu ${name}`, cpuSeconds(pid) - (before[index] ?? 0)])),
  };
}

function namesIn(series: Series | undefined, name: string): number[] {
  return (series?.readings ?? []).flatMap((reading) => reading[name] ?? []);
}
