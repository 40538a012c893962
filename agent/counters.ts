import type { Failure } from "../shared/wire/errors.ts";
import { noDrops } from "../shared/session/flow.ts";
import type { Dial, Kind } from "../shared/wire/open.ts";
import type { Stream } from "../shared/session/stream.ts";
import type { Traffic } from "./report.ts";

/** Counts of one kind of stream since the agent started. `in` is towards targets. */
export type KindCounts = { opened: number; ended: number; bytesIn: number; bytesOut: number };

/** The most targets remembered for `agent doctor`. */
const MAX_TARGETS = 100;

/** The counters of an agent. `kinds` includes the bytes of open streams. */
export class Counters {
  readonly started = Date.now();
  readonly #ended: Record<Kind, KindCounts> = { tcp: none(), udp: none(), http: none() };
  /** How many streams ended early, by code. */
  readonly failures = new Map<string, number>();
  readonly #open = new Map<Stream, { kind: Kind; datagrams: Readonly<Traffic> }>();
  connects = 0;
  readonly drops = noDrops();
  /** Targets dialled, the latest last. */
  readonly dialled = new Set<string>();

  get open(): number {
    return this.#open.size;
  }

  /** Counts a new stream. `datagrams` counts the bytes of a flow as they pass, because a stream's offsets don't. */
  opened(stream: Stream, { kind, target }: Dial, datagrams: Readonly<Traffic>): void {
    this.dialled.delete(target);
    this.dialled.add(target);
    const [oldest] = this.dialled;
    if (this.dialled.size > MAX_TARGETS && oldest !== undefined) this.dialled.delete(oldest);
    this.#ended[kind].opened += 1;
    this.#open.set(stream, { kind, datagrams });
  }

  ended(stream: Stream, failure: Failure | null): void {
    const open = this.#open.get(stream);
    if (open === undefined) return;
    this.#open.delete(stream);
    const counts = this.#ended[open.kind];
    add(counts, stream, open.datagrams);
    counts.ended += 1;
    if (failure !== null) this.failures.set(failure.code, (this.failures.get(failure.code) ?? 0) + 1);
  }

  get kinds(): Record<Kind, KindCounts> {
    const { tcp, udp, http } = this.#ended;
    const counts = { tcp: { ...tcp }, udp: { ...udp }, http: { ...http } };
    for (const [stream, { kind, datagrams }] of this.#open) add(counts[kind], stream, datagrams);
    return counts;
  }
}

function none(): KindCounts {
  return { opened: 0, ended: 0, bytesIn: 0, bytesOut: 0 };
}

function add(counts: KindCounts, stream: Stream, datagrams: Readonly<Traffic>): void {
  // `received` also counts the FIN as one.
  counts.bytesIn += (stream.in.finalSize ?? stream.in.received) + datagrams.bytesIn;
  counts.bytesOut += stream.out.sent + datagrams.bytesOut;
}
