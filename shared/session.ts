import { unbatch } from "./batch.ts";
import { Bucket } from "./bucket.ts";
import { SessionError, type Failure, type SessionCode } from "./errors.ts";
import { encodeFields } from "./fields.ts";
import { encodeFrame, FLAG_ACK, readU64, TYPE, typeName, viewOf, type Frame, type Header } from "./frame.ts";
import { GRACE_MS, MAX_STREAMS, OPEN_BURST, OPENS_PER_SECOND } from "./limits.ts";
import { decodeAccept, decodeDial, decodeFailure, encodeFailure, type Dial } from "./open.ts";
import { Resumption } from "./resumption.ts";
import type { Secret, StreamRecord } from "./resume.ts";
import { StreamTable } from "./stream-table.ts";
import type { Stream, StreamInit } from "./stream.ts";

/** What a session needs of the world: bytes out, and the time. */
export type SessionIo = {
  /** Sends a finished frame on a lane. A patient one may wait for others to go with. */
  send: (frame: Uint8Array, lane: number, patient?: boolean) => void;
  /** True while the lane takes more bulk; when it does again, call `session.pump()`. */
  room: (lane: number) => boolean;
  /** Monotonic milliseconds. */
  now: () => number;
};

export type SessionInit = {
  role: "caller" | "agent";
  /** Where frames go: a caller names the slot it means, an agent the channel it answers. */
  to: { channel: number; slot: number };
  io: SessionIo;
  /** What proves the session after a loss; without it, a loss ends it. */
  secret?: Secret;
  /** Milliseconds the session outlives its path; 0: not at all. */
  graceMs?: number;
  /** Agents: a visitor wants this; set `stream.events`, then accept or reject, now or later. */
  dial?: (stream: Stream, dial: Dial) => void;
  /** The session is over, by either end; all its streams have ended. */
  ended?: (code: SessionCode, reason: string) => void;
};

/** The streams between one caller and one agent: frames and clock in, frames and events out. */
export class Session {
  to: { channel: number; slot: number };
  readonly #init: SessionInit;
  readonly #table: StreamTable;
  readonly #resumption: Resumption;
  readonly #opens = new Bucket(OPENS_PER_SECOND, OPEN_BURST);
  #allocated = 0;
  #over = false;

  constructor(init: SessionInit) {
    const { io } = init;
    this.#init = init;
    this.to = init.to;
    this.#table = new StreamTable({
      control: (header, payload, patient) => this.#send(header, payload, patient),
      data: io.send,
      room: (lane) => this.#resumption.flows && io.room(lane),
      to: () => this.to,
      now: io.now,
      up: () => this.up,
    });
    this.#resumption = new Resumption({
      role: init.role,
      secret: init.secret,
      graceMs: init.graceMs ?? GRACE_MS,
      table: this.#table,
      now: io.now,
      send: (frame) => io.send(frame, 0),
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
  get charges(): { sent: number; held: number } {
    return { sent: this.#table.sender.outstanding, held: this.#table.allowance.held };
  }

  /** The session window we grant, in bytes of charge; the far end is told unless it learns by SESSION. */
  grant(window: number, tell = true): void {
    this.#table.allowance.window = window;
    if (tell) this.#send({ type: TYPE.WINDOW, offset: window });
  }

  /** The session window the far end grants us, when told by SESSION. */
  allow(window: number): void {
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
    this.#table.allowance.first(stream.in);
    stream.opening = { type, payload };
    this.#sendOpening(stream);
    return stream;
  }

  /** The path is gone. Streams stand still until it is back, or the grace period is over. */
  suspend(): void {
    if (!this.#over && !this.#resumption.suspend())
      this.close("done", { code: "lost", reason: "the connection was lost" });
  }

  /** The path is back, perhaps under another number: asks the agent to go on. Callers only. */
  resume(to: { channel: number; slot: number } = this.to): void {
    this.to = to;
    if (!this.#over) this.#resumption.ask();
  }

  /** A lane is gone, or a better one is there: the streams that used it move, and both ends settle what was on their way. Callers only. */
  move(from: number, to: number): void {
    const moved = [...this.#table.live.values()].filter((stream) => stream.lane === from);
    for (const stream of moved) stream.lane = to;
    // A question may have gone with it, too.
    if (moved.length > 0 || !this.up) this.resume();
  }

  /** A caller asks to go on, with all its records. False when its proof is no good. Agents only. */
  reunite(
    to: { channel: number; slot: number },
    epoch: number,
    proof: Uint8Array,
    records: readonly StreamRecord[],
  ): boolean {
    const before = this.to;
    this.to = to;
    const proved = !this.#over && this.#guarded(() => this.#resumption.answer(epoch, proof, records)) === true;
    if (!proved) this.to = before;
    return proved;
  }

  /** Takes one decoded frame of this session. A broken protocol ends the session; it never throws. */
  receive(frame: Frame): void {
    if (!this.#over) this.#guarded(() => this.#receive(frame));
  }

  /** Sends what waits, as far as credit and lanes allow. */
  pump(): void {
    if (!this.#over) this.#table.sender.pump();
  }

  /** Once a second while streams live, or while the path is away. */
  tick(): void {
    const now = this.#init.io.now();
    if (this.#over) return;
    if (this.#resumption.tick(now)) this.#table.tick(now);
    else this.close("done", { code: "lost", reason: "the connection did not come back in time" });
  }

  /** Ends the session and every stream of it; the far end hears why. */
  end(code: SessionCode, reason: string): void {
    if (this.#over) return;
    this.#init.io.send(
      encodeFrame({ type: TYPE.END, ...this.to }, encodeFields({ 1: code, 2: reason.slice(0, 300) })),
      0,
    );
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
    switch (frame.type) {
      case TYPE.BATCH:
        for (const entry of unbatch(frame)) {
          // An entry may have been what ended the session.
          if (!this.#over) this.#receive(entry);
        }
        return;
      case TYPE.WINDOW:
        this.allow(frame.offset);
        return;
      case TYPE.END: {
        const { reason } = decodeFailure(frame.payload);
        this.close("done", { code: "lost", reason: reason === "" ? "the far end closed the session" : reason });
        return;
      }
      case TYPE.DIAL:
        this.#dialled(frame);
        return;
      case TYPE.RESUMED:
        this.#resumption.answered(frame);
        return;
      case TYPE.NUDGE:
        if (this.#init.role === "caller") this.resume();
        return;
      case TYPE.ACCEPT:
      case TYPE.REJECT:
      case TYPE.DATA:
      case TYPE.FIN:
      case TYPE.RESET:
      case TYPE.CREDIT:
      case TYPE.ASK:
      case TYPE.DGRAM:
      case TYPE.UNKNOWN_FLOW: {
        const stream = this.#table.live.get(frame.stream);
        if (stream === undefined) this.#stranger(frame);
        else this.#forStream(stream, frame);
        return;
      }
      default:
        throw new SessionError("protocol", `${typeName(frame.type)} has no place in a session`);
    }
  }

  #dialled(frame: Frame): void {
    const { role, dial: serve } = this.#init;
    if (role !== "agent" || serve === undefined) throw new SessionError("protocol", "DIAL to a caller");
    if (this.#table.live.has(frame.stream)) return;
    if (!this.#table.admit(frame.stream)) {
      // Opened again after a loss, but over here: the answer was lost.
      this.#table.remember(frame.stream);
      this.#send(
        { type: TYPE.RESET, stream: frame.stream, lane: frame.lane },
        encodeFailure({ code: "unknown", reason: "this stream is over" }),
      );
      return;
    }
    const dial = decodeDial(frame.payload);
    const stream = this.#table.add(frame.stream, { lane: frame.lane, mapping: dial.mapping });
    // The caller's first grant, which may be less than the default when its session is crowded.
    stream.out.limit = frame.offset;
    if (this.#table.live.size > MAX_STREAMS) {
      stream.reject("too-many", `more than ${MAX_STREAMS} streams in one session`);
    } else if (!this.#opens.take(this.#init.io.now())) {
      stream.reject("busy", `more than ${OPENS_PER_SECOND} new streams a second`);
    } else {
      serve(stream, dial);
    }
  }

  #forStream(stream: Stream, frame: Frame): void {
    const table = this.#table;
    table.touch(stream);
    // The caller chooses the lane, and changes it only when one is lost.
    if (this.#init.role === "agent") stream.lane = frame.lane;
    switch (frame.type) {
      case TYPE.ACCEPT:
        if (this.#init.role !== "caller") throw new SessionError("protocol", "ACCEPT to an agent");
        stream.out.raise(frame.offset);
        stream.answered(decodeAccept(frame.payload));
        table.wake(stream);
        table.settle(stream);
        return;
      case TYPE.REJECT:
        if (stream.state !== "opening" || this.#init.role !== "caller")
          throw new SessionError("protocol", "REJECT out of place");
        table.forget(stream, decodeFailure(frame.payload));
        return;
      case TYPE.DATA:
        this.#data(stream, frame.offset, this.#acknowledged(stream, frame));
        return;
      case TYPE.FIN:
        this.#acknowledged(stream, frame);
        this.#fin(stream, frame.offset);
        return;
      case TYPE.RESET:
        table.remember(stream.id);
        table.forget(stream, decodeFailure(frame.payload));
        return;
      case TYPE.CREDIT:
        if (frame.payload.byteLength !== 8) throw new SessionError("protocol", "CREDIT without its 8 bytes");
        stream.out.raise(frame.offset);
        table.released(stream, readU64(viewOf(frame.payload), 0));
        table.settle(stream);
        return;
      case TYPE.ASK:
        stream.out.rewind(frame.offset);
        table.wake(stream);
        return;
      case TYPE.DGRAM:
        stream.deliverDatagram(frame.payload, frame.offset);
        return;
      case TYPE.UNKNOWN_FLOW:
        table.forget(stream, { code: "unknown", reason: "the agent does not know this flow any more" });
        return;
    }
  }

  #data(stream: Stream, offset: number, bytes: Uint8Array): void {
    // What an acknowledgement let the application do may have ended it.
    if (stream.over) return;
    const before = stream.in.held;
    const fresh = stream.in.take(offset, bytes);
    if (fresh === "gap") {
      this.#ask(stream);
    } else if (fresh !== null) {
      this.#table.allowance.hold(stream.in.held - before);
      stream.deliver(fresh);
    }
    // An acknowledgement on this frame may have been the last thing the stream waited for.
    this.#table.settle(stream);
  }

  #fin(stream: Stream, finalSize: number): void {
    if (stream.over) return;
    const complete = stream.in.takeFin(finalSize);
    if (complete === "gap") this.#ask(stream);
    if (complete === true) stream.deliverFin();
    if (!stream.over) this.#table.consumed(stream);
  }

  /** Takes the ACK flag into account; returns the bytes behind it. */
  #acknowledged(stream: Stream, frame: Frame): Uint8Array {
    if ((frame.flags & FLAG_ACK) === 0) return frame.payload;
    if (frame.payload.byteLength < 8)
      throw new SessionError("protocol", `${typeName(frame.type)} with ACK is cut short`);
    this.#table.released(stream, readU64(viewOf(frame.payload), 0));
    return frame.payload.subarray(8);
  }

  /** Frames for a stream that is not there. */
  #stranger(frame: Frame): void {
    const { type, stream, lane } = frame;
    if (type === TYPE.DGRAM && this.#init.role === "agent") this.#send({ type: TYPE.UNKNOWN_FLOW, stream, lane });
    if ((type !== TYPE.DATA && type !== TYPE.FIN) || this.#table.wasReset(stream)) return;
    this.#table.remember(stream);
    this.#send({ type: TYPE.RESET, stream, lane }, encodeFailure({ code: "unknown", reason: "no such stream here" }));
  }

  #ask(stream: Stream): void {
    this.#send({ type: TYPE.ASK, stream: stream.id, lane: stream.lane, offset: stream.in.received });
  }

  #sendOpening(stream: Stream): void {
    if (stream.opening === null || !this.up) return;
    const { type, payload } = stream.opening;
    this.#send({ type, stream: stream.id, lane: stream.lane, offset: stream.in.limit }, payload);
  }

  #send(header: Partial<Header> & { type: number }, payload?: Uint8Array, patient = false): void {
    if (this.up) this.#init.io.send(encodeFrame({ ...header, ...this.to }, payload), header.lane ?? 0, patient);
    else this.#resumption.hold({ header, payload });
  }
}
