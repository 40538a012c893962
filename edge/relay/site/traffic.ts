import type { LiveStream } from "../types.ts";
import type { ByteCounts, MappingBytes, TrafficReport } from "./traffic-report.ts";

/** Milliseconds between two reports while there are visitors: with an admin watching, and without. */
const WATCHED_MS = 2_000;
const UNWATCHED_MS = 60_000;

/** Counts the bytes of each mapping from its open streams, once a second instead of for each frame. */
export class Traffic {
  readonly #seen = new WeakMap<LiveStream, ByteCounts>();
  #live = new Map<number, ByteCounts>();
  #moved = new Map<number, ByteCounts>();
  #reported = 0;
  #kept = 0;

  /** Adds the bytes that these streams have carried since the last call. */
  look(streams: Iterable<LiveStream>): void {
    for (const stream of streams) {
      const { mapping, bytesIn, bytesOut } = stream;
      const before = this.#seen.get(stream) ?? { bytesIn: 0, bytesOut: 0 };
      this.add(mapping, bytesIn - before.bytesIn, bytesOut - before.bytesOut);
      this.#seen.set(stream, { bytesIn, bytesOut });
    }
  }

  /** Adds the bytes of a stream that is known only from its end: one of a client or gateway. */
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

  /** Returns the report since the last one, and starts the next. */
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

  /** Returns the bytes to store: once a minute, or when no stream is open, as storage is billed by the row. */
  #take(now: number, isQuiet: boolean): MappingBytes[] {
    if (!isQuiet && now - this.#kept < UNWATCHED_MS) return [];
    this.#kept = now;
    const moved = [...this.#moved].map(([mapping, bytes]) => ({ mapping, ...bytes }));
    this.#moved = new Map();
    return moved;
  }
}
