import { Cut, decodeControl } from "../shared/control.ts";
import { SessionError, streamCode, type Failure } from "../shared/errors.ts";
import { decodeFields, encodeFields } from "../shared/fields.ts";
import { encodeFrame, TYPE, type Frame } from "../shared/frame.ts";
import type { Dial } from "../shared/open.ts";
import { Session } from "../shared/session.ts";
import type { Stream } from "../shared/stream.ts";

export type SessionsHost = {
  send: (frame: Uint8Array, lane: number) => void;
  room: (lane: number) => boolean;
  dial: (stream: Stream, dial: Dial) => void;
};

/** The agent's half of every session, by channel, and what the relay says about them all. */
export class Sessions {
  readonly #host: SessionsHost;
  readonly #byChannel = new Map<number, Session>();
  readonly #dials = new Map<Stream, Dial>();
  #budget = 0;

  constructor(host: SessionsHost) {
    this.#host = host;
  }

  get streams(): number {
    let count = 0;
    for (const session of this.#byChannel.values()) count += session.streams.size;
    return count;
  }

  /** True while the far ends hold bytes of ours that they have not consumed. */
  get waiting(): boolean {
    for (const session of this.#byChannel.values()) if (session.charges.sent > 0) return true;
    return false;
  }

  /** Sum of the session windows we may grant, from WELCOME and BUDGET. */
  set budget(bytes: number) {
    this.#budget = bytes;
    this.#divide();
  }

  /** Takes a frame that the lane itself has no use for. Throws SessionError on one that makes no sense to an agent. */
  receive(frame: Frame): void {
    switch (frame.type) {
      case TYPE.BUDGET:
        this.budget = frame.offset;
        return;
      case TYPE.CUT:
        this.#cut(decodeControl(frame, Cut));
        return;
      case TYPE.SESSION:
        this.#begin(frame);
        return;
      default:
        if (frame.type < TYPE.SESSION) return;
        this.#forSession(frame);
    }
  }

  pump(): void {
    for (const session of this.#byChannel.values()) session.pump();
  }

  tick(): void {
    for (const session of this.#byChannel.values()) session.tick();
  }

  /** Ends everything: the path is gone for good, or the agent stops. */
  close(failure: Failure): void {
    for (const session of this.#byChannel.values()) session.close("done", failure);
  }

  /** Notes what a stream was opened for, so that a CUT finds it; forget it when it ends. */
  track(stream: Stream, dial: Dial): void {
    this.#dials.set(stream, dial);
  }

  untrack(stream: Stream): void {
    this.#dials.delete(stream);
  }

  #begin(frame: Frame): void {
    const fields = decodeFields(frame.payload);
    if (fields.get(1)?.byteLength !== 16 || fields.get(2)?.byteLength !== 32) throw new SessionError("protocol", "SESSION without id or secret");
    const { channel } = frame;
    this.#byChannel.get(channel)?.close("done", { code: "lost", reason: "the caller began anew" });
    const session: Session = new Session({
      role: "agent",
      to: { channel, slot: 0 },
      io: { send: this.#host.send, room: this.#host.room, now: () => performance.now() },
      dial: this.#host.dial,
      ended: () => {
        if (this.#byChannel.get(channel) === session) this.#byChannel.delete(channel);
      },
    });
    this.#byChannel.set(channel, session);
    session.allow(frame.offset);
    this.#divide();
  }

  #forSession(frame: Frame): void {
    const session = this.#byChannel.get(frame.channel);
    if (session !== undefined) session.receive(frame);
    else if (frame.type === TYPE.DIAL) {
      const payload = encodeFields({ 1: "protocol", 2: "no session on this channel" });
      this.#host.send(encodeFrame({ type: TYPE.END, channel: frame.channel }, payload), frame.lane);
    }
  }

  #divide(): void {
    const window = Math.floor(this.#budget / Math.max(1, this.#byChannel.size));
    for (const session of this.#byChannel.values()) session.grant(window);
  }

  #cut(cut: Cut): void {
    for (const [stream, dial] of this.#dials) {
      const hit = dial.mapping === cut.mapping || (cut.token !== undefined && dial.token === cut.token) || (cut.grant !== undefined && dial.grant === cut.grant);
      if (hit) stream.reset(streamCode(cut.code), cut.reason);
    }
  }
}
