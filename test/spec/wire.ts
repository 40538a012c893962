import { encodeFailure, encodeAccept, encodeDial } from "../../shared/wire/open.ts";
import type { SessionCode, StreamCode } from "../../shared/wire/errors.ts";
import { decodeFields, encodeFields, textField } from "../../shared/wire/fields.ts";
import { decodeFrame, FLAG_ACK, TYPE, viewOf, writeU64, type Frame } from "../../shared/wire/frame.ts";
import { MAX_DATA, DEFAULT_DATA } from "../../shared/wire/limits.ts";
import { Session } from "../../shared/session/session.ts";
import { DIAL, Sink } from "./pair.ts";

// One end of a session, and a far end that is us: it says whatever we like, frame by frame.

export type Role = "caller" | "agent";

/** Granted to each stream by our side unless a test says otherwise: more than any test sends. */
const AMPLE = 2 ** 40;

export class End {
  readonly session: Session;
  readonly role: Role;
  /** Every frame it has sent. */
  sent: Frame[] = [];
  /** How it ended: once, or there is a second entry. */
  readonly over: { code: SessionCode; reason: string }[] = [];
  /** Of an agent: streams dialled, each with a sink that takes bytes as `eager` says. */
  readonly dialled: Sink[] = [];
  now = 0;
  room = true;
  /** How often it has asked for that. */
  asked = 0;
  /** Bytes of the largest frame that the lane takes while it has room. */
  frame = DEFAULT_DATA;
  eager = true;

  constructor(role: Role, granted = 4 * 1024 * 1024) {
    this.role = role;
    this.session = new Session({
      frameBytes: MAX_DATA,
      role,
      to: role === "caller" ? { channel: 0, slot: 7 } : { channel: 3, slot: 0 },
      io: {
        send: (bytes) => this.sent.push(decodeFrame(bytes.slice())),
        maxFrame: () => {
          this.asked += 1;
          return this.room ? this.frame : 0;
        },
        now: () => this.now,
      },
      dial: (stream) => this.dialled.push(new Sink(stream, this.eager)),
      ended: (code, reason) => this.over.push({ code, reason }),
    });
    this.session.grantWindow(granted, false);
    this.session.setSendWindow(AMPLE);
  }

  /** The far end says these. */
  hear(...frames: Frame[]): void {
    for (const frame of frames) this.session.receive(frame);
  }

  /** Frames of a type it has sent since they were last asked for or forgotten. */
  said(type: number): Frame[] {
    return this.sent.filter((frame) => frame.type === type);
  }

  /** Bytes of DATA it has sent on a stream, frame by frame: what each starts at and holds. */
  get data(): { stream: number; offset: number; bytes: number }[] {
    return this.said(TYPE.DATA).map((frame) => ({
      stream: frame.stream,
      offset: frame.offset,
      bytes: frame.payload.byteLength - ((frame.flags & FLAG_ACK) === 0 ? 0 : 8),
    }));
  }

  forget(): void {
    this.sent = [];
  }

  tick(ms: number): void {
    this.now += ms;
    this.session.tick();
  }

  /** A stream on its way: OPEN or DIAL is through, ACCEPT is not. */
  opening(limit = AMPLE): Sink {
    if (this.role === "caller")
      return new Sink(this.session.open(TYPE.DIAL, encodeDial(DIAL), { mapping: 1 }), this.eager);
    const id = this.dialled.length + 1;
    this.hear(dial(id, limit));
    return this.dialled[id - 1]!;
  }

  /** A stream that is open both ways. */
  open(limit = AMPLE): Sink {
    const sink = this.opening(limit);
    if (this.role === "caller") this.hear(accept(sink.stream.id, limit));
    else sink.stream.accept({ target: DIAL.target, local: "" });
    return sink;
  }
}

/** Why a stream was reset or refused, by the frame that says so. */
export function codeOf(frame: Frame | undefined): string {
  return frame === undefined ? "" : textField(decodeFields(frame.payload), 1);
}

export function rawFrame(type: number, more: Partial<Frame> = {}): Frame {
  return { type, flags: 0, lane: 0, channel: 3, slot: 7, stream: 0, offset: 0, payload: new Uint8Array(0), ...more };
}

export function dial(stream: number, limit = AMPLE): Frame {
  return rawFrame(TYPE.DIAL, { stream, offset: limit, payload: encodeDial(DIAL) });
}

export function accept(stream: number, limit = AMPLE): Frame {
  return rawFrame(TYPE.ACCEPT, {
    stream,
    offset: limit,
    payload: encodeAccept({ target: DIAL.target, local: "", ref: "" }),
  });
}

export function reject(stream: number, code: StreamCode = "target-refused"): Frame {
  return rawFrame(TYPE.REJECT, { stream, payload: encodeFailure({ code, reason: "no" }) });
}

/** `body`: text, or so many bytes of something. */
export function data(stream: number, offset: number, body: string | number, consumed?: number): Frame {
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : new Uint8Array(body).fill(120);
  return acknowledging(rawFrame(TYPE.DATA, { stream, offset, payload: bytes }), consumed);
}

export function fin(stream: number, finalSize: number, consumed?: number): Frame {
  return acknowledging(rawFrame(TYPE.FIN, { stream, offset: finalSize }), consumed);
}

export function reset(stream: number, code: StreamCode = "target-reset"): Frame {
  return rawFrame(TYPE.RESET, { stream, payload: encodeFailure({ code, reason: "gone" }) });
}

export function credit(stream: number, limit: number, consumed: number): Frame {
  return rawFrame(TYPE.CREDIT, { stream, offset: limit, payload: u64(consumed) });
}

export function ask(stream: number, offset: number): Frame {
  return rawFrame(TYPE.ASK, { stream, offset });
}

export function window(bytes: number): Frame {
  return rawFrame(TYPE.WINDOW, { offset: bytes });
}

export function over(code: SessionCode, reason: string): Frame {
  return rawFrame(TYPE.END, { payload: encodeFields({ 1: code, 2: reason }) });
}

function acknowledging(plain: Frame, consumed: number | undefined): Frame {
  if (consumed === undefined) return plain;
  const payload = new Uint8Array(8 + plain.payload.byteLength);
  payload.set(u64(consumed));
  payload.set(plain.payload, 8);
  return { ...plain, flags: FLAG_ACK, payload };
}

export function u64(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  writeU64(viewOf(bytes), 0, value);
  return bytes;
}
