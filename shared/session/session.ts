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

/** Milliseconds between two ticks of a session, which send due reports and check grace periods and stalled streams. */
export const TICK_MS = 1_000;

/** The lanes and the clock that a session runs on. */
export type SessionIo = {
  /** Sends a finished frame on a lane. */
  send: (frame: Uint8Array, lane: number) => void;
  /** Bytes of the largest bulk frame that the lane takes now. After 0, call `session.pump()` once the lane takes frames again. */
  maxFrame: (lane: number) => number;
  /** Monotonic milliseconds. */
  now: () => number;
  /** Timers for gathering small frames into one BATCH; without them each frame is a message of its own. */
  batching?: BatchTimers;
};

export type SessionInit = {
  role: "caller" | "agent";
  /** Address of the far end: a caller sets the slot, an agent the channel. */
  to: { channel: number; slot: number };
  io: SessionIo;
  /** Bytes of the largest DATA frame that the far end takes; DEFAULT_DATA if absent. */
  frameBytes?: number;
  /** Agents only: the caller reads send times in DGRAM. */
  timed?: boolean;
  /** Secret that proves the session in RESUME; without it, losing the path ends the session. */
  secret?: Secret;
  /** Callers only: payload of SESSION, and the lanes to send it on. */
  sessionFrame?: { payload: Uint8Array; lanes: () => Iterable<number> };
  /**
   * Milliseconds that the session outlives its path; 0: not at all. A function, because an edge that restarts may set another
   * value.
   */
  graceMs?: () => number;
  /** Agents only: DIAL has opened a stream. Set `stream.events`, then accept or reject it, now or later. */
  dial?: (stream: Stream, dial: Dial) => void;
  /** `session.demand` has changed: whatever grants session windows may have to divide them again. */
  demandChanged?: () => void;
  /** Waiting datagrams may be sent. */
  drained?: () => void;
  /** Either end has ended the session; all its streams have ended. */
  ended?: (code: SessionCode, reason: string) => void;
};

/** The streams between one caller and one agent. Takes frames and the time; sends frames and calls the streams' events. */
export class Session {
  to: { channel: number; slot: number };
  readonly #init: SessionInit;
  readonly #outlet: Outlet;
  readonly #table: StreamTable;
  readonly #frames: StreamFrames;
  readonly #resumption: Resumption;
  #allocated = 0;
  /** The session window that the far end was last told. */
  #granted = 0;
  #over = false;
  /** True once a frame has come that only an end with this session sends. */
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

  /** True while the session has a path: from the start, and again after each resumption. */
  get up(): boolean {
    return this.#resumption.up;
  }

  /** Charge that is outstanding: sent and not consumed by the far end; received and not reported consumed here. */
  get outstanding(): { sent: number; received: number } {
    return { sent: this.#table.sender.outstanding, received: this.#table.allowance.outstanding };
  }

  /** What the readers at this end could use of session windows. */
  get demand(): Demand {
    return this.#over || !this.up ? NO_DEMAND : this.#table.demand;
  }

  /** Grants the far end a session window, in bytes of charge, and sends WINDOW unless SESSION carries it (`tell` is false). */
  grantWindow(window: number, tell = true): void {
    this.#table.allowance.window = window;
    const isNews = window !== this.#granted;
    this.#granted = window;
    if (tell && isNews) this.#send({ type: TYPE.WINDOW, offset: window });
  }

  /** Sends SESSION with the agent's first session window, in bytes of charge. Callers only; call it before anything else. */
  begin(window: number): void {
    this.grantWindow(window, false);
    this.#sendSession();
  }

  /** Sets the session window that the far end grants this end, in bytes of charge. */
  setSendWindow(window: number): void {
    this.#table.sender.window = window;
    this.pump();
  }

  /** Opens a stream with an encoded OPEN or DIAL; DATA may follow at once. Callers only. */
  open(type: typeof TYPE.OPEN | typeof TYPE.DIAL, payload: Uint8Array, init: StreamInit = {}): Stream {
    this.#allocated += 1;
    const stream = this.#table.add(this.#allocated, init);
    if (this.#over) {
      // Later, so that the code that opens it has set `events` by then.
      queueMicrotask(() => this.#table.forget(stream, { code: "lost", reason: "the session is over" }));
      return stream;
    }
    this.#table.allowance.grantFirst(stream.in);
    stream.opening = { type, payload };
    this.#sendOpening(stream);
    return stream;
  }

  /** Notes that the path is lost. Streams wait until it is back or the grace period is over. */
  suspend(): void {
    // Resuming sends again what has not been sent.
    this.#outlet.drop();
    if (!this.#over && !this.#resumption.suspend())
      this.close("done", { code: "lost", reason: "the connection was lost" });
  }

  /** Sends RESUME to the agent: the path is back, perhaps with another channel or slot. Callers only. */
  resume(to: { channel: number; slot: number } = this.to): void {
    this.to = to;
    if (!this.#over) this.#resumption.ask();
  }

  /**
   * Moves the streams of a lost lane to another one, and resumes, so that both ends send again what was in flight. It resumes
   * even if no stream moves: a stream's last frame may have been in flight, or an ASK. Callers only.
   */
  move(from: number, to: number): void {
    for (const stream of this.#table.live.values()) if (stream.lane === from) stream.lane = to;
    this.resume();
  }

  /** Moves the streams of a lane that still lives to a better one. Callers only. */
  spread(from: number, to: number): void {
    if ([...this.#table.live.values()].some((stream) => stream.lane === from)) this.move(from, to);
  }

  /**
   * Takes a caller's RESUME with all its records. Agents only. `stale`: the epoch is over, so the RESUME is late or a copy, and
   * nothing happens. `refused`: the proof is wrong.
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

  /** Takes one decoded frame of this session. Never throws: a protocol error ends the session. */
  receive(frame: Frame): void {
    if (!this.#over) this.#guarded(() => this.#receive(frame));
  }

  /** Sends waiting bytes as far as the limits, the window and the lanes allow. */
  pump(): void {
    if (!this.#over) this.#table.sender.pump();
  }

  /** Call it every TICK_MS while the session has streams or has lost its path. */
  tick(): void {
    const now = this.#init.io.now();
    if (this.#over) return;
    if (this.#resumption.tick(now)) this.#table.tick(now);
    // END, and not just `close`: the far end may have a path again and not know that this one was lost.
    else this.end("done", "the connection did not come back in time");
  }

  /** Ends the session and all its streams, and sends END with the reason. */
  end(code: SessionCode, reason: string): void {
    if (this.#over) return;
    this.#outlet.send(encodeEnd(this.to, { code, reason, id: this.#init.secret?.id }), 0);
    this.close(code, { code: code === "done" || code === "idle" ? "lost" : "internal", reason });
  }

  /** Ends the session and all its streams without END: the far end is gone, or has sent END itself. */
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
    // NUDGE and END don't count: a relay, or an end without the session, sends them too.
    this.#isConfirmed ||= frame.type !== TYPE.END && frame.type !== TYPE.NUDGE;
    switch (frame.type) {
      case TYPE.BATCH:
        for (const entry of unbatch(frame)) {
          // An entry before this one may have ended the session.
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
        throw new SessionError("protocol", `${typeName(frame.type)} is not a frame of a session`);
    }
  }

  /** Takes an END by which the agent says that it never had this session, or had not yet when it sent it. */
  #beginAgain(isNamed: boolean): void {
    if (!this.#isConfirmed) {
      // SESSION was lost with a lane, and with it everything sent after it.
      this.#sendSession();
      this.#resumption.reopenAll();
    } else if (!isNamed) {
      this.resume();
    }
  }

  /** Sends SESSION on every lane, so that no OPEN overtakes it on another lane. The agent takes the first one. */
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
    // A late END of an earlier session with the same far end.
    if (id !== undefined && own !== undefined && !equalBytes(id, own)) return;
    if (never && this.#init.sessionFrame !== undefined) return this.#beginAgain(id !== undefined);
    this.close("done", { code: "lost", reason: reason === "" ? "the far end closed the session" : reason });
  }

  /** Takes ARRIVED, the answer to a DGRAM with ACK. Throws SessionError(protocol) when this end has asked for none. */
  #arrived({ type, offset, payload }: Frame): void {
    const { datagrams } = this.#table;
    if (!datagrams.timed) throw new SessionError("protocol", `${typeName(type)} is not a frame of a session`);
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
