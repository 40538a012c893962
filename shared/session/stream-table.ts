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

/** Sends a control frame of the session; without a path it is held or dropped. `canWait`: a few ms, to share a message. */
export type SendControl = (header: Partial<Header> & { type: number }, payload?: Uint8Array, canWait?: boolean) => void;

export type StreamTableInit = {
  control: SendControl;
  /** Sends a finished DATA or FIN frame on a lane. */
  data: (frame: Uint8Array, lane: number) => void;
  maxFrame: (lane: number) => number;
  to: () => { channel: number; slot: number };
  now: () => number;
  /** True while the session has a path. */
  up: () => boolean;
  /** `demand` has changed. */
  demandChanged: () => void;
};

/** The live streams of one session, and what they share: one sender with the session's window, and one allowance. */
export class StreamTable {
  readonly live = new Map<number, Stream>();
  readonly allowance = new Allowance();
  readonly sender: Sender;
  readonly datagrams: Datagrams;
  readonly #init: StreamTableInit;
  readonly #host: StreamHost;
  readonly #opened = new OpenedIds();
  /** Ids of the last streams that were reset: their late frames are dropped silently. */
  readonly #reset = new RecentSet<number>(REMEMBERED_RESETS);
  /** Ids of the last streams that ended in order: their late frames are dropped, too. */
  readonly #finished = new RecentSet<number>(REMEMBERED_RESETS);
  /** Streams with consumed bytes that are not reported, and since when, in milliseconds. */
  readonly #unreported = new Map<Stream, number>();
  /** The demand that was last notified. */
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

  /** Notes that an id is opened. False if it was opened before. */
  markOpened(id: number): boolean {
    return this.#opened.add(id);
  }

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

  /** Sends what a stream may have become able to send. */
  wake(stream: Stream): void {
    this.sender.wake(stream);
    this.sender.pump();
  }

  /** Takes the far end's report that it has consumed a stream's bytes up to an offset. */
  released(stream: Stream, consumed: number): void {
    const { outstandingFrames: frames } = stream.out;
    const charge = stream.out.acknowledge(consumed);
    this.sender.released(charge, frames - stream.out.outstandingFrames);
    this.wake(stream);
  }

  /** Reports what the application has consumed, or a FIN, if the far end could otherwise run out of credit or window. */
  consumed(stream: Stream): void {
    this.allowance.update(stream.in);
    if (this.allowance.demand.bytes > this.demand.bytes) this.#updateDemand();
    if (stream.in.hasUnreported && !this.#unreported.has(stream)) this.#unreported.set(stream, this.#init.now());
    if (!this.#init.up()) return;
    if (this.allowance.isScarce) this.reportAll();
    // An opening stream gets its limit with ACCEPT.
    else if (stream.in.isReportDue || (stream.state === "open" && this.allowance.isLimitBehind(stream.in)))
      this.#report(stream);
    this.settle(stream);
  }

  /** Forgets a stream whose directions are both over, else notifies a writer that waits. */
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

  /** Sends reports that are a second old, resets the windows of idle streams, and ends abandoned and stalled ones. */
  tick(now: number): void {
    if (!this.#init.up()) return;
    const quiet = now - REPORT_MS;
    for (const [stream, since] of this.#unreported) if (since <= quiet) this.#report(stream);
    for (const stream of this.live.values()) {
      if (stream.isAbandoned(now)) {
        stream.reset("visitor-gone", "one side had finished, and no byte has passed for five minutes");
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

  /** Ends the longest-stalled streams until enough of the window is free, unless every stream is stalled. */
  #endStalled(now: number): void {
    const live = [...this.live.values()];
    if (live.every((stream) => stream.in.stalledAt !== null)) return;
    const stalledFor = (stream: Stream): number => now - (stream.in.stalledAt ?? now);
    const stalled = live.filter((stream) => stalledFor(stream) >= STALLED_MS);
    for (const stream of stalled.sort((a, b) => stalledFor(b) - stalledFor(a))) {
      if (this.allowance.hasRecovered) return;
      stream.reset(
        "busy",
        `other streams needed the session's window: its reader was stalled for ${STALLED_MS / 1000} s`,
      );
    }
  }

  /** Reports everything that is consumed and not yet reported. */
  reportAll(): void {
    const due = [...this.#unreported.keys()];
    for (const stream of due) this.#report(stream);
    // After all reports: bytes that a settled stream writes may carry an ACK for another stream of this list. That would take
    // it off the list without a new limit, and its sender would wait for ever.
    for (const stream of due) this.settle(stream);
  }

  /** Ends all streams without a frame to the far end. */
  endAll(failure: Failure): void {
    for (const stream of this.live.values()) stream.end(failure);
    this.live.clear();
  }

  /** Makes a stream's record for RESUME or RESUMED. Like CREDIT, it raises the limit and reports what is consumed. */
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
    // A caller that has sent FIN needs no credit: ACCEPT may share a message with the answer that follows it.
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

  /** Sends CREDIT with the new limit and what is consumed. After the last byte no sender waits for it, so it can wait. */
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

  /** Returns the consumed offset that a frame about to be sent carries in its ACK; null if there is nothing to report. */
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
