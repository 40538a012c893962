import { unbatch } from "./batch.ts";
import { Bucket } from "./bucket.ts";
import { SessionError, type Failure, type SessionCode } from "./errors.ts";
import { encodeFields } from "./fields.ts";
import { encodeFrame, FLAG_ACK, readU64, TYPE, typeName, viewOf, writeU64, type Frame, type Header } from "./frame.ts";
import { Allowance } from "./allowance.ts";
import { INITIAL_CREDIT, MAX_STREAMS, OPEN_BURST, OPENS_PER_SECOND, REMEMBERED_RESETS, REPORT_MS } from "./limits.ts";
import { decodeAccept, decodeDial, decodeFailure, encodeAccept, encodeFailure, type Accept, type Dial } from "./open.ts";
import { Remembered } from "./remembered.ts";
import { Sender } from "./sender.ts";
import { Stream, type StreamHost } from "./stream.ts";

/** What a session needs of the world: bytes out, and the time. */
export type SessionIo = {
  /** Sends a finished frame on a lane. */
  send: (frame: Uint8Array, lane: number) => void;
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
  /** Agents: a visitor wants this; set `stream.events`, then accept or reject, now or later. */
  dial?: (stream: Stream, dial: Dial) => void;
  /** The session is over, by either end; all its streams have ended. */
  ended?: (code: SessionCode, reason: string) => void;
};

/** The streams between one caller and one agent: frames and clock in, frames and events out. */
export class Session {
  readonly streams = new Map<number, Stream>();
  to: { channel: number; slot: number };
  readonly #init: SessionInit;
  readonly #io: SessionIo;
  readonly #sender: Sender;
  readonly #allowance = new Allowance();
  readonly #host: StreamHost;
  readonly #opens = new Bucket(OPENS_PER_SECOND, OPEN_BURST);
  /** Streams reset lately: their late frames are dropped silently. */
  readonly #reset = new Remembered<number>(REMEMBERED_RESETS);
  /** Streams whose consumption the far end has not heard of in full. */
  readonly #unreported = new Set<Stream>();
  #highest = 0;
  #over = false;

  constructor(init: SessionInit) {
    this.#init = init;
    this.#io = init.io;
    this.to = init.to;
    this.#sender = new Sender({
      room: init.io.room,
      send: init.io.send,
      to: () => this.to,
      acknowledge: (stream) => this.#acknowledge(stream),
      sent: (stream) => this.#settle(stream),
    });
    this.#host = {
      wake: (stream) => this.#wake(stream),
      consumed: (stream) => this.#consumed(stream),
      accept: (stream, accept) => this.#accept(stream, accept),
      reject: (stream, failure) => this.#refuse(stream, TYPE.REJECT, failure),
      reset: (stream, failure) => this.#refuse(stream, TYPE.RESET, failure),
      datagram: (stream, bytes, age) => this.#send({ type: TYPE.DGRAM, stream: stream.id, lane: stream.lane, offset: age }, bytes),
    };
  }

  get over(): boolean {
    return this.#over;
  }

  /** Charge that the far end has not consumed, and that we have not: for status and tests. */
  get charges(): { sent: number; held: number } {
    return { sent: this.#sender.outstanding, held: this.#allowance.held };
  }

  /** The session window we grant, in bytes of charge; the far end is told unless it learns by SESSION. */
  grant(window: number, tell = true): void {
    this.#allowance.window = window;
    if (tell) this.#send({ type: TYPE.WINDOW, offset: window });
  }

  /** The session window the far end grants us, when told by SESSION. */
  allow(window: number): void {
    this.#sender.window = window;
    this.pump();
  }

  /** Opens a stream with an encoded OPEN or DIAL; DATA may follow at once. Callers only. */
  open(type: typeof TYPE.OPEN | typeof TYPE.DIAL, payload: Uint8Array, options: { lane?: number; mapping?: number } = {}): Stream {
    this.#highest += 1;
    const stream = this.#add(this.#highest, options.lane ?? 0, options.mapping ?? 0);
    stream.in.limit = this.#allowance.share(stream.in);
    this.#allowance.count(stream.in);
    this.#send({ type, stream: stream.id, lane: stream.lane, offset: stream.in.limit }, payload);
    return stream;
  }

  /** Takes one decoded frame of this session. A broken protocol ends the session; it never throws. */
  receive(frame: Frame): void {
    if (this.#over) return;
    try {
      this.#receive(frame);
    } catch (error) {
      if (!(error instanceof SessionError)) throw error;
      this.end(error.code, error.message);
    }
  }

  /** Sends what waits, as far as credit and lanes allow. */
  pump(): void {
    if (!this.#over) this.#sender.pump();
  }

  /** Once a second while streams live: reports what quiet streams have consumed. */
  tick(): void {
    const quiet = this.#io.now() - REPORT_MS;
    for (const stream of this.#unreported) if (stream.touched <= quiet) this.#report(stream);
    for (const stream of this.streams.values()) if (stream.touched <= quiet) stream.in.settle();
  }

  /** Ends the session and every stream of it; the far end hears why. */
  end(code: SessionCode, reason: string): void {
    if (this.#over) return;
    this.#send({ type: TYPE.END }, encodeFields({ 1: code, 2: reason.slice(0, 300) }));
    this.close(code, { code: code === "done" || code === "idle" ? "lost" : "internal", reason });
  }

  /** Ends without a word to the far end: it is gone, or said so itself. */
  close(code: SessionCode, failure: Failure): void {
    if (this.#over) return;
    this.#over = true;
    for (const stream of this.streams.values()) stream.end(failure);
    this.streams.clear();
    this.#init.ended?.(code, failure.reason);
  }

  #receive(frame: Frame): void {
    switch (frame.type) {
      case TYPE.BATCH:
        for (const entry of unbatch(frame)) this.#receive(entry);
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
      case TYPE.ACCEPT:
      case TYPE.REJECT:
      case TYPE.DATA:
      case TYPE.FIN:
      case TYPE.RESET:
      case TYPE.CREDIT:
      case TYPE.ASK:
      case TYPE.DGRAM:
      case TYPE.UNKNOWN_FLOW: {
        const stream = this.streams.get(frame.stream);
        if (stream === undefined) this.#stranger(frame);
        else this.#forStream(stream, frame);
        return;
      }
      default:
        throw new SessionError("protocol", `${typeName(frame.type)} has no place in a session`);
    }
  }

  #dialled(frame: Frame): void {
    if (this.#init.role !== "agent" || this.#init.dial === undefined) throw new SessionError("protocol", "DIAL to a caller");
    if (frame.stream <= this.#highest) return;
    this.#highest = frame.stream;
    const dial = decodeDial(frame.payload);
    const stream = this.#add(frame.stream, frame.lane, dial.mapping);
    stream.out.raise(frame.offset);
    if (this.streams.size > MAX_STREAMS) {
      stream.reject("too-many", `more than ${MAX_STREAMS} streams in one session`);
    } else if (!this.#opens.take(this.#io.now())) {
      stream.reject("busy", `more than ${OPENS_PER_SECOND} new streams a second`);
    } else {
      this.#init.dial(stream, dial);
    }
  }

  #forStream(stream: Stream, frame: Frame): void {
    stream.touched = this.#io.now();
    switch (frame.type) {
      case TYPE.ACCEPT:
        if (this.#init.role !== "caller") throw new SessionError("protocol", "ACCEPT to an agent");
        if (stream.state !== "opening") return;
        stream.state = "open";
        stream.out.raise(frame.offset);
        stream.events.accepted?.(decodeAccept(frame.payload));
        this.#wake(stream);
        this.#settle(stream);
        return;
      case TYPE.REJECT:
        if (stream.state !== "opening" || this.#init.role !== "caller") throw new SessionError("protocol", "REJECT out of place");
        this.#forget(stream, decodeFailure(frame.payload));
        return;
      case TYPE.DATA:
        this.#data(stream, frame.offset, this.#acknowledged(stream, frame));
        return;
      case TYPE.FIN:
        this.#acknowledged(stream, frame);
        this.#fin(stream, frame.offset);
        return;
      case TYPE.RESET:
        this.#reset.add(stream.id);
        this.#forget(stream, decodeFailure(frame.payload));
        return;
      case TYPE.CREDIT:
        if (frame.payload.byteLength !== 8) throw new SessionError("protocol", "CREDIT without its 8 bytes");
        stream.out.raise(frame.offset);
        this.#released(stream, readU64(viewOf(frame.payload), 0));
        this.#settle(stream);
        return;
      case TYPE.ASK:
        stream.out.rewind(frame.offset);
        this.#wake(stream);
        return;
      case TYPE.DGRAM:
        stream.events.datagram?.(frame.payload, frame.offset);
        return;
      case TYPE.UNKNOWN_FLOW:
        this.#forget(stream, { code: "unknown", reason: "the agent does not know this flow any more" });
        return;
    }
  }

  #data(stream: Stream, offset: number, bytes: Uint8Array): void {
    const before = stream.in.held;
    const fresh = stream.in.take(offset, bytes);
    if (fresh === "gap") {
      this.#ask(stream);
    } else if (fresh !== null) {
      this.#allowance.hold(stream.in.held - before);
      stream.events.data(fresh);
    }
    // An acknowledgement on this frame may have been the last thing the stream waited for.
    this.#settle(stream);
  }

  #fin(stream: Stream, finalSize: number): void {
    const complete = stream.in.takeFin(finalSize);
    if (complete === "gap") this.#ask(stream);
    if (complete !== true) return;
    stream.events.fin();
    if (stream.state !== "ended") this.#consumed(stream);
  }

  /** Takes the ACK flag into account; returns the bytes behind it. */
  #acknowledged(stream: Stream, frame: Frame): Uint8Array {
    if ((frame.flags & FLAG_ACK) === 0) return frame.payload;
    if (frame.payload.byteLength < 8) throw new SessionError("protocol", `${typeName(frame.type)} with ACK is cut short`);
    this.#released(stream, readU64(viewOf(frame.payload), 0));
    return frame.payload.subarray(8);
  }

  #released(stream: Stream, consumed: number): void {
    this.#sender.released(stream.out.acknowledge(consumed));
    this.#wake(stream);
  }

  /** Frames for a stream that is not there. */
  #stranger(frame: Frame): void {
    if (frame.type === TYPE.DGRAM && this.#init.role === "agent") this.#send({ type: TYPE.UNKNOWN_FLOW, stream: frame.stream, lane: frame.lane });
    if (frame.type !== TYPE.DATA && frame.type !== TYPE.FIN) return;
    if (this.#reset.has(frame.stream)) return;
    this.#reset.add(frame.stream);
    const payload = encodeFailure({ code: "unknown", reason: "no such stream here" });
    this.#send({ type: TYPE.RESET, stream: frame.stream, lane: frame.lane }, payload);
  }

  #add(id: number, lane: number, mapping: number): Stream {
    const stream = new Stream(this.#host, { id, lane, mapping, sendLimit: INITIAL_CREDIT, receiveLimit: INITIAL_CREDIT });
    stream.touched = this.#io.now();
    this.streams.set(id, stream);
    this.#allowance.count(stream.in);
    return stream;
  }

  #accept(stream: Stream, accept: Accept): void {
    stream.state = "open";
    this.#allowance.extend(stream.in);
    this.#send({ type: TYPE.ACCEPT, stream: stream.id, lane: stream.lane, offset: stream.in.limit }, encodeAccept(accept));
    this.#wake(stream);
  }

  #refuse(stream: Stream, type: typeof TYPE.REJECT | typeof TYPE.RESET, failure: Failure): void {
    this.#send({ type, stream: stream.id, lane: stream.lane, offset: stream.out.sent }, encodeFailure(failure));
    this.#reset.add(stream.id);
    this.#forget(stream, failure);
  }

  #consumed(stream: Stream): void {
    this.#allowance.count(stream.in);
    if (stream.in.unreported) this.#unreported.add(stream);
    if (this.#allowance.scarce) for (const each of this.#unreported) this.#report(each);
    else if (stream.in.overdue || this.#allowance.lags(stream.in)) this.#report(stream);
    this.#settle(stream);
  }

  #report(stream: Stream): void {
    this.#allowance.extend(stream.in);
    const consumed = new Uint8Array(8);
    writeU64(viewOf(consumed), 0, stream.in.toReport);
    this.#told(stream);
    this.#send({ type: TYPE.CREDIT, stream: stream.id, lane: stream.lane, offset: stream.in.limit }, consumed);
  }

  /** For a frame that is leaving anyway: what it may acknowledge on its way. */
  #acknowledge(stream: Stream): number | null {
    stream.touched = this.#io.now();
    if (!stream.in.unreported) return null;
    const { toReport } = stream.in;
    this.#told(stream);
    return toReport;
  }

  #told(stream: Stream): void {
    this.#allowance.held -= stream.in.report();
    this.#unreported.delete(stream);
  }

  #ask(stream: Stream): void {
    this.#send({ type: TYPE.ASK, stream: stream.id, lane: stream.lane, offset: stream.in.received });
  }

  #wake(stream: Stream): void {
    this.#sender.wake(stream);
    this.pump();
  }

  /** Forgets a stream whose directions are both over, else feeds it if it has room. */
  #settle(stream: Stream): void {
    if (stream.state === "ended") return;
    if (stream.out.done && stream.in.done && !stream.in.unreported) this.#forget(stream, null);
    else stream.feed();
  }

  #forget(stream: Stream, failure: Failure | null): void {
    this.streams.delete(stream.id);
    this.#unreported.delete(stream);
    this.#sender.released(stream.out.drop());
    this.#allowance.forget(stream.in);
    stream.end(failure);
    this.pump();
  }

  #send(header: Partial<Header> & { type: number }, payload?: Uint8Array): void {
    this.#io.send(encodeFrame({ ...header, ...this.to }, payload), header.lane ?? 0);
  }
}
