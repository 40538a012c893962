import { Bucket } from "../bucket.ts";
import { SessionError } from "../wire/errors.ts";
import { encodeWaited } from "./datagrams.ts";
import { AGREED, FLAG_ACK, readU64, TYPE, typeName, viewOf, type Frame } from "../wire/frame.ts";
import { DATAGRAM_DEADLINE_MS, MAX_STREAMS, NUDGE_MS, OPENS_PER_SECOND, OPEN_BURST } from "../wire/limits.ts";
import {
  decodeAccept,
  decodeDial,
  decodeFailure,
  encodeFailure,
  refOfReject,
  type Dial,
  type NamedAccept,
} from "../wire/open.ts";
import type { SendControl, StreamTable } from "./stream-table.ts";
import type { Stream } from "./stream.ts";

export type StreamFramesInit = {
  role: "caller" | "agent";
  /** Agents only: DIAL has opened a stream. */
  dial: ((stream: Stream, dial: Dial) => void) | undefined;
  table: StreamTable;
  /** Monotonic milliseconds. */
  now: () => number;
  control: SendControl;
};

/** Handles the frames that name a stream: one that lives, one that begins, or one that is not known here. */
export class StreamFrames {
  readonly #init: StreamFramesInit;
  #nudgedAt = Number.NEGATIVE_INFINITY;
  readonly #opens = new Bucket(OPENS_PER_SECOND, OPEN_BURST);

  constructor(init: StreamFramesInit) {
    this.#init = init;
  }

  /** Takes one frame that names a stream. Throws SessionError if it breaks the protocol. */
  receive(frame: Frame): void {
    const stream = this.#init.table.live.get(frame.stream);
    if (frame.type === TYPE.DIAL) this.#dialled(frame);
    else if (frame.type === TYPE.DGRAM) this.#datagram(stream, frame);
    else if (stream === undefined) this.#unknownStream(frame);
    else this.#take(stream, frame);
  }

  #dialled(frame: Frame): void {
    const { role, dial: serve, table, control } = this.#init;
    if (role !== "agent" || serve === undefined) throw new SessionError("protocol", "DIAL to a caller");
    if (table.live.has(frame.stream)) return;
    if (!table.markOpened(frame.stream)) {
      // The caller opens it again after a loss, but it has ended here: the answer was lost.
      table.rememberReset(frame.stream);
      control(
        { type: TYPE.RESET, stream: frame.stream, lane: frame.lane },
        encodeFailure({ code: "unknown", reason: "this stream is over" }),
      );
      return;
    }
    const dial = this.#readDial(frame);
    if (dial === null) return;
    const stream = table.add(frame.stream, { lane: frame.lane, mapping: dial.mapping, ref: dial.ref });
    // The caller's first limit, which is less than the default when little is left of its window.
    stream.out.limit = frame.offset;
    if (table.live.size > MAX_STREAMS) {
      stream.reject("too-many", `more than ${MAX_STREAMS} streams in one session`);
    } else if (!this.#opens.take(this.#init.now())) {
      stream.reject("busy", `more than ${OPENS_PER_SECOND} new streams a second`);
    } else {
      serve(stream, dial);
    }
  }

  /** Decodes a DIAL. Answers REJECT and returns null if it is malformed; no other stream is harmed. */
  #readDial(frame: Frame): Dial | null {
    try {
      return decodeDial(frame.payload);
    } catch (error) {
      if (!(error instanceof SessionError)) throw error;
      const { stream, lane } = frame;
      this.#init.control(
        { type: TYPE.REJECT, stream, lane },
        encodeFailure({ code: "internal", reason: error.message }),
      );
      return null;
    }
  }

  #take(stream: Stream, frame: Frame): void {
    const { table } = this.#init;
    table.touch(stream);
    // The caller chooses the lane, and changes it only when one is lost.
    if (this.#init.role === "agent") stream.lane = frame.lane;
    switch (frame.type) {
      case TYPE.ACCEPT:
        if (this.#init.role !== "caller") throw new SessionError("protocol", "ACCEPT to an agent");
        stream.out.raiseLimit(frame.offset);
        this.#answered(stream, decodeAccept(frame.payload));
        table.wake(stream);
        table.settle(stream);
        return;
      case TYPE.REJECT:
        if (stream.state !== "opening" || this.#init.role !== "caller")
          throw new SessionError("protocol", "REJECT for a stream that is not opening");
        stream.ref = refOfReject(frame.payload);
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
        table.rememberReset(stream.id);
        table.forget(stream, decodeFailure(frame.payload));
        return;
      case TYPE.CREDIT:
        if (frame.payload.byteLength !== 8) throw new SessionError("protocol", "CREDIT without its 8 bytes");
        stream.out.raiseLimit(frame.offset);
        table.released(stream, readU64(viewOf(frame.payload), 0));
        table.settle(stream);
        return;
      case TYPE.ASK:
        // CREDIT on another lane has overtaken this ASK: what it asks for is consumed by now.
        if (frame.offset < stream.out.consumed) return;
        stream.out.ask(frame.offset);
        table.wake(stream);
        return;
      case TYPE.UNKNOWN_FLOW:
        table.forget(stream, { code: "unknown", reason: "the agent does not know this flow anymore" });
        return;
    }
  }

  #answered(stream: Stream, accept: NamedAccept): void {
    if (accept.timed === true) this.#init.table.datagrams.timed = true;
    stream.answered(accept);
  }

  /** Delivers a datagram, or drops it if it is late. A late one is echoed all the same, because its sender measures the path. */
  #datagram(stream: Stream | undefined, frame: Frame): void {
    const { table, control } = this.#init;
    const { age, waited, name } = table.datagrams.arrived(frame.offset, this.#init.now());
    if ((frame.flags & FLAG_ACK) !== 0)
      control({ type: AGREED.ARRIVED, lane: frame.lane, offset: name }, encodeWaited(waited));
    if (stream === undefined) return this.#unknownStream(frame);
    table.touch(stream);
    if (this.#init.role === "agent") stream.lane = frame.lane;
    if (age > DATAGRAM_DEADLINE_MS) stream.events.dropped?.("late");
    else stream.deliverDatagram(frame.payload, age * 1000);
  }

  #data(stream: Stream, offset: number, bytes: Uint8Array): void {
    // The acknowledgement on this frame may have made the application end the stream.
    if (stream.over) return;
    const { outstanding: before, isIdle } = stream.in;
    const fresh = stream.in.take(offset, bytes, this.#init.now());
    if (fresh === "gap") {
      this.#askForGap(stream);
    } else if (fresh !== null) {
      this.#init.table.allowance.countReceived(stream.in.outstanding - before);
      if (isIdle) this.#init.table.allowance.update(stream.in);
      stream.deliver(fresh);
    }
    // An acknowledgement on this frame may have been the last thing the stream waited for.
    this.#init.table.settle(stream);
  }

  #fin(stream: Stream, finalSize: number): void {
    if (stream.over) return;
    const complete = stream.in.takeFin(finalSize);
    if (complete === "gap") this.#askForGap(stream);
    if (complete === true) stream.deliverFin();
    if (!stream.over) this.#init.table.consumed(stream);
  }

  /** Takes the `consumed` of a frame with the ACK flag. Returns the payload without it. */
  #acknowledged(stream: Stream, frame: Frame): Uint8Array {
    if ((frame.flags & FLAG_ACK) === 0) return frame.payload;
    if (frame.payload.byteLength < 8)
      throw new SessionError("protocol", `${typeName(frame.type)} with ACK is cut short`);
    this.#init.table.released(stream, readU64(viewOf(frame.payload), 0));
    return frame.payload.subarray(8);
  }

  /** Answers a frame for a stream that is not there. */
  #unknownStream(frame: Frame): void {
    const { type, stream, lane } = frame;
    if (type === TYPE.DGRAM && this.#init.role === "agent")
      this.#init.control({ type: TYPE.UNKNOWN_FLOW, stream, lane });
    // RESET has overtaken its OPEN on another lane: the OPEN must not be taken when it comes.
    if (type === TYPE.RESET && this.#init.role === "agent") this.#init.table.markOpened(stream);
    if ((type !== TYPE.DATA && type !== TYPE.FIN) || this.#init.table.wasReset(stream)) return;
    // A frame that was sent twice over two lanes; the first one ended the stream.
    if (this.#init.table.wasFinished(stream)) return;
    // Its OPEN may have been lost with a lane: the caller opens it again after NUDGE.
    if (this.#init.role === "agent" && !this.#init.table.wasOpened(stream)) return this.#nudge();
    this.#init.table.rememberReset(stream);
    this.#init.control(
      { type: TYPE.RESET, stream, lane },
      encodeFailure({ code: "unknown", reason: "no such stream here" }),
    );
  }

  #nudge(): void {
    const now = this.#init.now();
    if (now - this.#nudgedAt < NUDGE_MS) return;
    this.#nudgedAt = now;
    this.#init.control({ type: TYPE.NUDGE });
  }

  #askForGap(stream: Stream): void {
    this.#init.control({ type: TYPE.ASK, stream: stream.id, lane: stream.lane, offset: stream.in.received });
  }
}
