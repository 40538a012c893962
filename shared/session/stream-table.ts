import { Allowance } from "./allowance.ts";
import { Datagrams } from "./datagrams.ts";
import { NO_DEMAND } from "./division.ts";
import type { Failure } from "../wire/errors.ts";
import { TYPE, viewOf, writeU64, type Header } from "../wire/frame.ts";
import { REMEMBERED_RESETS, REPORT_MS, STALLED_MS } from "../wire/limits.ts";
import { encodeAccept, encodeFailure, type Accept } from "../wire/open.ts";
import { RecentSet } from "./recent-set.ts";
import type { StreamRecord } from "../wire/resume.ts";
import { OpenedIds } from "./opened-ids.ts";
import { Sender } from "./sender.ts";
import { Stream, type StreamHost, type StreamInit } from "./stream.ts";

/** Sends a control frame of the session, or keeps or drops it while the path is away. */
export type SendControl = (header: Partial<Header> & { type: number }, payload?: Uint8Array, canWait?: boolean) => void;

export type StreamTableInit = {
  control: SendControl;
  /** Sends a finished DATA or FIN frame on a lane. */
  data: (frame: Uint8Array, lane: number) => void;
  maxFrame: (lane: number) => number;
  to: () => { channel: number; slot: number };
  now: () => number;
  /** A datagram may be dropped for want of a path. */
  up: () => boolean;
  /** Those who read could use more, or need less, than was said before. */
  demandChanged: () => void;
};

/** The live streams of one session, with what they share: the sender's turn and window, and what is granted and reported. */
export class StreamTable {
  readonly live = new Map<number, Stream>();
  readonly allowance = new Allowance();
  readonly sender: Sender;
  readonly datagrams: Datagrams;
  readonly #init: StreamTableInit;
  readonly #host: StreamHost;
  readonly #opened = new OpenedIds();
  /** Streams reset lately: their late frames are dropped silently. */
  readonly #reset = new RecentSet<number>(REMEMBERED_RESETS);
  /** Streams that ended in order lately: so are those, and they were not reset. */
  readonly #finished = new RecentSet<number>(REMEMBERED_RESETS);
  /** Streams whose consumption the far end has not heard of in full. */
  readonly #unreported = new Map<Stream, number>();
  /** What was asked for. */
  demand = NO_DEMAND;

  constructor(init: StreamTableInit) {
    this.#init = init;
    this.sender = new Sender({
      maxFrame: init.maxFrame,
      send: init.data,
      to: init.to,
      acknowledge: (stream) => this.#acknowledge(stream),
      sent: (stream) => this.settle(stream),
    });
    this.datagrams = new Datagrams(init.up);
    this.#host = {
      datagrams: this.datagrams,
      now: init.now,
      wake: (stream) => this.wake(stream),
      consumed: (stream) => this.consumed(stream),
      accept: (stream, accept) => this.#accept(stream, accept),
      reject: (stream, failure) => this.#refuse(stream, TYPE.REJECT, { ...failure, ref: stream.ref }),
      reset: (stream, failure) => this.#refuse(stream, TYPE.RESET, failure),
      datagram: (stream, bytes, age) => {
        if (!init.up()) return stream.events.dropped?.("late");
        const { offset, flags } = this.datagrams.sent(bytes.byteLength, age / 1000, init.now());
        init.control({ type: TYPE.DGRAM, flags, stream: stream.id, lane: stream.lane, offset }, bytes);
      },
    };
  }

  /** True the first time an id is opened. */
  markOpened(id: number): boolean {
    return this.#opened.add(id);
  }

  /** Whether an id was ever opened. */
  wasOpened(id: number): boolean {
    return this.#opened.has(id);
  }

  wasReset(id: number): boolean {
    return this.#reset.has(id);
  }

  wasFinished(id: number): boolean {
    return this.#finished.has(id);
  }

  rememberReset(id: number): void {
    this.#reset.add(id);
  }

  add(id: number, init: StreamInit): Stream {
    const stream = new Stream(this.#host, id, init);
    this.touch(stream);
    this.live.set(id, stream);
    this.allowance.update(stream.in);
    return stream;
  }

  touch(stream: Stream): void {
    stream.touched = this.#init.now();
  }

  /** Something may have become sendable. */
  wake(stream: Stream): void {
    this.sender.wake(stream);
    this.sender.pump();
  }

  /** The far end has consumed up to `consumed`. */
  released(stream: Stream, consumed: number): void {
    const { outstandingFrames: frames } = stream.out;
    const charge = stream.out.acknowledge(consumed);
    this.sender.released(charge, frames - stream.out.outstandingFrames);
    this.wake(stream);
  }

  /** The application has consumed more, or a FIN came: reports it when waiting would hold the far end back. */
  consumed(stream: Stream): void {
    this.allowance.update(stream.in);
    if (this.allowance.demand.bytes > this.demand.bytes) this.#updateDemand();
    if (stream.in.hasUnreported && !this.#unreported.has(stream)) this.#unreported.set(stream, this.#init.now());
    if (!this.#init.up()) return;
    if (this.allowance.isScarce) this.reportAll();
    // What has not been answered hears with the answer how far it may go.
    else if (stream.in.isReportDue || (stream.state === "open" && this.allowance.isLimitBehind(stream.in)))
      this.#report(stream);
    this.settle(stream);
  }

  /** Forgets a stream whose directions are both over, else feeds it if it has room. */
  settle(stream: Stream): void {
    if (stream.over) return;
    if (stream.out.done && stream.in.done && !stream.in.hasUnreported) this.forget(stream, null);
    else stream.notifyWritable();
  }

  forget(stream: Stream, failure: Failure | null): void {
    this.live.delete(stream.id);
    if (failure === null) this.#finished.add(stream.id);
    this.#unreported.delete(stream);
    const { outstandingFrames } = stream.out;
    this.sender.released(stream.out.drop(), outstandingFrames);
    this.allowance.forget(stream.in);
    stream.end(failure);
    this.sender.pump();
  }

  /** Once a second: reports what has been consumed for as long, and lets the windows of quiet streams fall back. */
  tick(now: number): void {
    if (!this.#init.up()) return;
    const quiet = now - REPORT_MS;
    for (const [stream, since] of this.#unreported) if (since <= quiet) this.#report(stream);
    for (const stream of this.live.values()) {
      if (stream.isAbandoned(now)) {
        stream.reset("visitor-gone", "one side had finished, and nothing has passed for five minutes");
        continue;
      }
      const changed = stream.in.checkStalled(now);
      const becomesIdle = stream.touched <= quiet && !stream.in.isIdle;
      if (becomesIdle) stream.in.setIdle();
      if (changed || becomesIdle) this.allowance.update(stream.in);
    }
    if (this.allowance.isNearlyFull) this.#endStalled(now);
    const { bytes, unread } = this.allowance.demand;
    if (bytes !== this.demand.bytes || unread !== this.demand.unread) this.#updateDemand();
  }

  /** Ends streams whose readers have been stalled longest, if there are others that need the room. */
  #endStalled(now: number): void {
    const live = [...this.live.values()];
    if (live.every((stream) => stream.in.stalledAt !== null)) return;
    const stalledFor = (stream: Stream): number => now - (stream.in.stalledAt ?? now);
    const stalled = live.filter((stream) => stalledFor(stream) >= STALLED_MS);
    for (const stream of stalled.sort((a, b) => stalledFor(b) - stalledFor(a))) {
      if (this.allowance.hasRecovered) return;
      stream.reset("busy", `others needed its room: its reader was behind for ${STALLED_MS / 1000} s`);
    }
  }

  /** Reports all that is consumed and not yet told. */
  reportAll(): void {
    const due = [...this.#unreported.keys()];
    for (const stream of due) this.#report(stream);
    // Only then: what a settled stream writes may take along, on its frames, word of what others have consumed, and without
    // a new limit their far ends would wait for ever.
    for (const stream of due) this.settle(stream);
  }

  /** Ends all without a word. */
  endAll(failure: Failure): void {
    for (const stream of this.live.values()) stream.end(failure);
    this.live.clear();
  }

  /** What the far end is told of a stream after a loss; it counts as reported, as a CREDIT would. */
  recordOf(stream: Stream): StreamRecord {
    const { id, mapping, out } = stream;
    this.allowance.raiseLimit(stream.in, this.#init.now());
    const { received, finalSize, toReport, limit } = stream.in;
    this.#markReported(stream);
    return {
      stream: id,
      answered: stream.state === "open",
      finished: finalSize !== null && received > finalSize,
      reset: false,
      refused: false,
      lane: stream.lane,
      mapping,
      received,
      consumed: toReport,
      limit,
      final: out.finSent ? out.sent : null,
    };
  }

  #accept(stream: Stream, accept: Accept): void {
    stream.state = "open";
    this.allowance.raiseLimit(stream.in, this.#init.now());
    // A caller that has said all it will waits for no credit, but for the answer that comes next.
    const canWait = stream.in.finalSize !== null;
    this.#init.control(
      { type: TYPE.ACCEPT, stream: stream.id, lane: stream.lane, offset: stream.in.limit },
      encodeAccept({ ...accept, ref: stream.ref, timed: this.datagrams.timed }),
      canWait,
    );
    this.wake(stream);
  }

  #refuse(stream: Stream, type: typeof TYPE.REJECT | typeof TYPE.RESET, failure: Failure & { ref?: string }): void {
    this.#init.control({ type, stream: stream.id, lane: stream.lane, offset: stream.out.sent }, encodeFailure(failure));
    this.rememberReset(stream.id);
    this.forget(stream, failure);
  }

  /** Tells what is consumed. The end of a stream is news that nobody waits for. */
  #report(stream: Stream): void {
    this.allowance.raiseLimit(stream.in, this.#init.now());
    const consumed = new Uint8Array(8);
    writeU64(viewOf(consumed), 0, stream.in.toReport);
    this.#markReported(stream);
    this.#init.control(
      { type: TYPE.CREDIT, stream: stream.id, lane: stream.lane, offset: stream.in.limit },
      consumed,
      stream.in.done,
    );
  }

  #updateDemand(): void {
    this.demand = this.allowance.demand;
    this.#init.demandChanged();
  }

  /** For a frame that is leaving anyway: what it may acknowledge on its way. */
  #acknowledge(stream: Stream): number | null {
    this.touch(stream);
    if (!stream.in.hasUnreported) return null;
    const { toReport } = stream.in;
    this.#markReported(stream);
    return toReport;
  }

  #markReported(stream: Stream): void {
    this.allowance.outstanding -= stream.in.report();
    this.#unreported.delete(stream);
  }
}
