import type { LiveStream } from "../types.ts";
import type { ByteCounts, MappingBytes, TrafficReport } from "./traffic-report.ts";

/** Milliseconds between two reports while somebody watches, and else, while there are visitors. */
const WATCHED_MS = 2_000;
const UNWATCHED_MS = 60_000;

/** Counts what each mapping carries, by looking at its live streams once a second: nothing is done for a frame. */
export class Traffic {
  readonly #seen = new WeakMap<LiveStream, ByteCounts>();
  #live = new Map<number, ByteCounts>();
  #moved = new Map<number, ByteCounts>();
  #reported = 0;
  #kept = 0;

  /** Takes in what streams have carried since they were looked at last. */
  look(streams: Iterable<LiveStream>): void {
    for (const stream of streams) {
      const { mapping, bytesIn, bytesOut } = stream;
      const before = this.#seen.get(stream) ?? { bytesIn: 0, bytesOut: 0 };
      this.add(mapping, bytesIn - before.bytesIn, bytesOut - before.bytesOut);
      this.#seen.set(stream, { bytesIn, bytesOut });
    }
  }

  /** Bytes of a stream that is not seen before its end: a client's. */
  add(mapping: number, bytesIn: number, bytesOut: number): void {
    if (bytesIn === 0 && bytesOut === 0) return;
    for (const counts of [this.#live, this.#moved]) {
      const count = counts.get(mapping) ?? { bytesIn: 0, bytesOut: 0 };
      counts.set(mapping, { bytesIn: count.bytesIn + bytesIn, bytesOut: count.bytesOut + bytesOut });
    }
  }

  /** Whether it is time to report. */
  isDue(now: number, watched: boolean): boolean {
    return now - this.#reported >= (watched ? WATCHED_MS : UNWATCHED_MS);
  }

  /** All since the last report, which it is counted from now on; `ended`: nothing would come after it for long. */
  take(streams: readonly LiveStream[], now: number, watched: boolean): TrafficReport {
    this.look(streams);
    const counts = new Map<number, number>();
    for (const { mapping } of streams) counts.set(mapping, (counts.get(mapping) ?? 0) + 1);
    const mappings = watched ? [...new Set([...this.#live.keys(), ...counts.keys()])] : [];
    const live = mappings.map((mapping) => ({
      mapping,
      streams: counts.get(mapping) ?? 0,
      ...(this.#live.get(mapping) ?? { bytesIn: 0, bytesOut: 0 }),
    }));
    const ms = Math.min(UNWATCHED_MS, now - this.#reported);
    this.#live = new Map();
    this.#reported = now;
    return { ms, live, moved: this.#take(now, streams.length === 0) };
  }

  /** Written down once a minute, or when it is quiet: storage is paid by the row. */
  #take(now: number, isQuiet: boolean): MappingBytes[] {
    if (!isQuiet && now - this.#kept < UNWATCHED_MS) return [];
    this.#kept = now;
    const moved = [...this.#moved].map(([mapping, bytes]) => ({ mapping, ...bytes }));
    this.#moved = new Map();
    return moved;
  }
}
