import { unbatch } from "../wire/batch.ts";
import { decodeWaited } from "./datagrams.ts";
import { NO_DEMAND, type Demand } from "./division.ts";
import { decodeEnd, encodeEnd } from "../wire/ending.ts";
import { SessionError, type Failure, type SessionCode } from "../wire/errors.ts";
import { AGREED, encodeFrame, TYPE, typeName, type Frame, type Header } from "../wire/frame.ts";
import { GRACE_MS, DEFAULT_DATA } from "../wire/limits.ts";
import type { Dial } from "../wire/open.ts";
import { Outlet, type BatchTimers } from "./outlet.ts";
import { Resumption } from "./resumption.ts";
import { equalBytes, type Secret, type StreamRecord } from "../wire/resume.ts";
import { StreamFrames } from "./stream-frames.ts";
import { StreamTable } from "./stream-table.ts";
import type { Stream, StreamInit } from "./stream.ts";

/** Milliseconds between the ticks of a session: reports, grace periods and what stalls are looked at as often. */
export const TICK_MS = 1_000;

/** What a session needs of the world: bytes out, and the time. */
export type SessionIo = {
  /** Sends a finished frame on a lane. */
  send: (frame: Uint8Array, lane: number) => void;
  /** Bytes of the largest frame of bulk that the lane takes now; 0: none, and when it does again, call `session.pump()`. */
  maxFrame: (lane: number) => number;
  /** Monotonic milliseconds. */
  now: () => number;
  /** Gathers small frames into one message; without it each frame is a message of its own. */
  batching?: BatchTimers;
};

export type SessionInit = {
  role: "caller" | "agent";
  /** Where frames go: a caller names the slot it means, an agent the channel it answers. */
  to: { channel: number; slot: number };
  io: SessionIo;
  /** Bytes of the largest DATA frame that the far end takes; DEFAULT_DATA if absent. */
  frameBytes?: number;
  /** Agents: the caller reads times in DGRAM. */
  timed?: boolean;
  /** What proves the session after a loss; without it, a loss ends it. */
  secret?: Secret;
  /** Callers: what SESSION says to the agent, and the lanes to say it on. */
  sessionFrame?: { payload: Uint8Array; lanes: () => Iterable<number> };
  /** Milliseconds the session outlives its path; 0: not at all. The edge may be restarted with another. */
  graceMs?: () => number;
  /** Agents: a visitor wants this; set `stream.events`, then accept or reject, now or later. */
  dial?: (stream: Stream, dial: Dial) => void;
  /** `session.demand` has changed: ask for another window, if there is anybody to ask. */
  demandChanged?: () => void;
  /** Datagrams that waited may go. */
  drained?: () => void;
  /** The session is over, by either end; all its streams have ended. */
  ended?: (code: SessionCode, reason: string) => void;
};

/** The streams between one caller and one agent: frames and clock in, frames and events out. */
export class Session {
  to: { channel: number; slot: number };
  readonly #init: SessionInit;
  readonly #outlet: Outlet;
  readonly #table: StreamTable;
  readonly #frames: StreamFrames;
  readonly #resumption: Resumption;
  #allocated = 0;
  /** The window the far end was last told. */
  #granted = 0;
  #over = false;
  /** The far end has said something that shows that it has the session. */
  #isConfirmed = false;

  constructor(init: SessionInit) {
    const { io } = init;
    this.#init = init;
    this.to = init.to;
    this.#outlet = new Outlet(io.send, io.batching);
    this.#table = new StreamTable({
      control: (header, payload, patient) => this.#send(header, payload, patient),
      data: (frame, lane) => this.#outlet.send(frame, lane),
      maxFrame: (lane) =>
        this.#resumption.mayDataFlow ? Math.min(io.maxFrame(lane), init.frameBytes ?? DEFAULT_DATA) : 0,
      to: () => this.to,
      now: io.now,
      up: () => this.up,
      demandChanged: () => init.demandChanged?.(),
    });
    this.#table.datagrams.timed = init.timed ?? false;
    this.#frames = new StreamFrames({
      role: init.role,
      dial: init.dial,
      table: this.#table,
      now: io.now,
      control: (header, payload) => this.#send(header, payload),
    });
    this.#resumption = new Resumption({
      role: init.role,
      secret: init.secret,
      graceMs: init.graceMs ?? (() => GRACE_MS),
      table: this.#table,
      now: io.now,
      send: (frame) => this.#outlet.send(frame, 0),
      to: () => this.to,
      control: (header, payload) => this.#send(header, payload),
      reopen: (stream) => this.#sendOpening(stream),
    });
  }

  get streams(): ReadonlyMap<number, Stream> {
    return this.#table.live;
  }

  get over(): boolean {
    return this.#over;
  }

  /** True while frames get through. */
  get up(): boolean {
    return this.#resumption.up;
  }

  /** Charge that the far end has not consumed, and that we have not: for status and tests. */
  get outstanding(): { sent: number; received: number } {
    return { sent: this.#table.sender.outstanding, received: this.#table.allowance.outstanding };
  }

  /** What the streams here need of session windows. */
  get demand(): Demand {
    return this.#over || !this.up ? NO_DEMAND : this.#table.demand;
  }

  /** The session window we grant, in bytes of charge; the far end is told unless it learns by SESSION. */
  grantWindow(window: number, tell = true): void {
    this.#table.allowance.window = window;
    const isNews = window !== this.#granted;
    this.#granted = window;
    if (tell && isNews) this.#send({ type: TYPE.WINDOW, offset: window });
  }

  /** Says SESSION, with the session window that the agent may use from the start. Callers only, before all else. */
  begin(window: number): void {
    this.grantWindow(window, false);
    this.#sendSession();
  }

  /** The session window the far end grants us, when told by SESSION. */
  setSendWindow(window: number): void {
    this.#table.sender.window = window;
    this.pump();
  }

  /** Opens a stream with an encoded OPEN or DIAL; DATA may follow at once. Callers only. */
  open(type: typeof TYPE.OPEN | typeof TYPE.DIAL, payload: Uint8Array, init: StreamInit = {}): Stream {
    this.#allocated += 1;
    const stream = this.#table.add(this.#allocated, init);
    if (this.#over) {
      // Whoever opens it hears its events first, as of any other stream.
      queueMicrotask(() => this.#table.forget(stream, { code: "lost", reason: "the session is over" }));
      return stream;
    }
    this.#table.allowance.grantFirst(stream.in);
    stream.opening = { type, payload };
    this.#sendOpening(stream);
    return stream;
  }

  /** The path is gone. Streams stand still until it is back, or the grace period is over. */
  suspend(): void {
    // What was not sent yet is for resuming to say again.
    this.#outlet.drop();
    if (!this.#over && !this.#resumption.suspend())
      this.close("done", { code: "lost", reason: "the connection was lost" });
  }

  /** The path is back, perhaps under another number: asks the agent to go on. Callers only. */
  resume(to: { channel: number; slot: number } = this.to): void {
    this.to = to;
    if (!this.#over) this.#resumption.ask();
  }

  /**
   * A lane is gone: the streams that used it move, and both ends settle what was on its way. That may be the last word of a
   * stream which is over here, or a question, so it is asked even if nothing moves. Callers only.
   */
  move(from: number, to: number): void {
    for (const stream of this.#table.live.values()) if (stream.lane === from) stream.lane = to;
    this.resume();
  }

  /** A better lane is there, and the former one lives: the streams that used it move. Callers only. */
  spread(from: number, to: number): void {
    if ([...this.#table.live.values()].some((stream) => stream.lane === from)) this.move(from, to);
  }

  /**
   * A caller asks to go on, with all its records. Agents only. `stale`: the proof of an epoch that is over, which is late or a
   * copy; nothing happens. `refused`: the proof is no good.
   */
  acceptResume(
    to: { channel: number; slot: number },
    epoch: number,
    proof: Uint8Array,
    records: readonly StreamRecord[],
  ): "resumed" | "stale" | "refused" {
    if (this.#over) return "refused";
    if (epoch <= this.#resumption.epoch) return "stale";
    const before = this.to;
    this.to = to;
    const proved = this.#guarded(() => this.#resumption.answer(epoch, proof, records)) === true;
    if (!proved) this.to = before;
    return proved ? "resumed" : "refused";
  }

  /** Takes one decoded frame of this session. A broken protocol ends the session; it never throws. */
  receive(frame: Frame): void {
    if (!this.#over) this.#guarded(() => this.#receive(frame));
  }

  /** Sends what waits, as far as credit and lanes allow. */
  pump(): void {
    if (!this.#over) this.#table.sender.pump();
  }

  /** Every TICK_MS while streams live, or while the path is away. */
  tick(): void {
    const now = this.#init.io.now();
    if (this.#over) return;
    if (this.#resumption.tick(now)) this.#table.tick(now);
    // The far end may be there again, and not know that this session was away: it is told.
    else this.end("done", "the connection did not come back in time");
  }

  /** Ends the session and every stream of it; the far end hears why. */
  end(code: SessionCode, reason: string): void {
    if (this.#over) return;
    this.#outlet.send(encodeEnd(this.to, { code, reason, id: this.#init.secret?.id }), 0);
    this.close(code, { code: code === "done" || code === "idle" ? "lost" : "internal", reason });
  }

  /** Ends without a word to the far end: it is gone, or said so itself. */
  close(code: SessionCode, failure: Failure): void {
    if (this.#over) return;
    this.#over = true;
    this.#table.endAll(failure);
    this.#init.ended?.(code, failure.reason);
  }

  #guarded<T>(action: () => T): T | undefined {
    try {
      return action();
    } catch (error) {
      if (!(error instanceof SessionError)) throw error;
      this.end(error.code, error.message);
      return undefined;
    }
  }

  #receive(frame: Frame): void {
    // NUDGE may be the relay's own.
    this.#isConfirmed ||= frame.type !== TYPE.END && frame.type !== TYPE.NUDGE;
    switch (frame.type) {
      case TYPE.BATCH:
        for (const entry of unbatch(frame)) {
          // An entry may have been what ended the session.
          if (!this.#over) this.#receive(entry);
        }
        return;
      case TYPE.WINDOW:
        this.setSendWindow(frame.offset);
        return;
      case TYPE.END:
        this.#ended(frame);
        return;
      case TYPE.RESUMED:
        this.#resumption.answered(frame);
        return;
      case TYPE.NUDGE:
        if (this.#init.role === "caller") this.resume();
        return;
      case TYPE.DIAL:
      case TYPE.ACCEPT:
      case TYPE.REJECT:
      case TYPE.DATA:
      case TYPE.FIN:
      case TYPE.RESET:
      case TYPE.CREDIT:
      case TYPE.ASK:
      case TYPE.DGRAM:
      case TYPE.UNKNOWN_FLOW:
        this.#frames.receive(frame);
        return;
      case AGREED.ARRIVED:
        this.#arrived(frame);
        return;
      default:
        throw new SessionError("protocol", `${typeName(frame.type)} has no place in a session`);
    }
  }

  /** The agent never heard of this session, or had not when it said so. */
  #beginAgain(isNamed: boolean): void {
    if (!this.#isConfirmed) {
      // SESSION was lost, and so was all that came after it.
      this.#sendSession();
      this.#resumption.reopenAll();
    } else if (!isNamed) {
      this.resume();
    }
  }

  /** Says SESSION on every lane, or an OPEN on another one could overtake it: the agent takes the first. */
  #sendSession(): void {
    const { sessionFrame } = this.#init;
    if (sessionFrame === undefined) return;
    const header = { type: TYPE.SESSION, ...this.to, offset: this.#granted };
    for (const lane of sessionFrame.lanes())
      this.#outlet.send(encodeFrame({ ...header, lane }, sessionFrame.payload), lane);
  }

  #ended({ payload }: Frame): void {
    const { reason, id, never } = decodeEnd(payload);
    const own = this.#init.secret?.id;
    // It is about a session that was here before this one, and comes late.
    if (id !== undefined && own !== undefined && !equalBytes(id, own)) return;
    if (never && this.#init.sessionFrame !== undefined) return this.#beginAgain(id !== undefined);
    this.close("done", { code: "lost", reason: reason === "" ? "the far end closed the session" : reason });
  }

  /** The far end has a datagram of ours that was to be echoed. Throws SessionError when nothing was to be. */
  #arrived({ type, offset, payload }: Frame): void {
    const { datagrams } = this.#table;
    if (!datagrams.timed) throw new SessionError("protocol", `${typeName(type)} has no place in a session`);
    datagrams.echoed(offset, decodeWaited(payload), this.#init.io.now());
    this.#init.drained?.();
  }

  #sendOpening(stream: Stream): void {
    if (stream.opening === null || !this.up) return;
    const { type, payload } = stream.opening;
    this.#send({ type, stream: stream.id, lane: stream.lane, offset: stream.in.limit }, payload);
  }

  #send(header: Partial<Header> & { type: number }, payload?: Uint8Array, canWait = false): void {
    if (!this.up) return this.#resumption.holdBack({ header, payload });
    const { type, flags = 0, lane = 0, stream = 0, offset = 0 } = header;
    const { channel, slot } = this.to;
    this.#outlet.send(encodeFrame({ type, flags, lane, channel, slot, stream, offset }, payload), lane, canWait);
  }
}
