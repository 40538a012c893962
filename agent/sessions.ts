import { Cut, decodeControl, type Welcome } from "../shared/control.ts";
import { SessionError, streamCode, type Failure } from "../shared/errors.ts";
import { Budget } from "../link/budget.ts";
import { Gatherer } from "../shared/gather.ts";
import { decodeFields, encodeFields, numberField } from "../shared/fields.ts";
import { encodeFrame, FLAG_MORE, TYPE, type Frame } from "../shared/frame.ts";
import { GRACE_MS, MAX_STREAMS, USUAL_DATA } from "../shared/limits.ts";
import type { Dial } from "../shared/open.ts";
import { decodeResume, Secret, type Resume } from "../shared/resume.ts";
import { Session } from "../shared/session.ts";
import type { Stream } from "../shared/stream.ts";

export type SessionsHost = {
  send: (frame: Uint8Array, lane: number) => void;
  room: (lane: number) => number;
  dial: (stream: Stream, dial: Dial) => void;
};

/** Milliseconds a frame that nobody waits for may wait for others to go with. */
const PATIENCE_MS = 25;

/** Sessions without streams that may wait for their callers at once. */
const MOST_IDLE = 64;

/** The agent's half of every session, by channel, and what the relay says about them all. */
export class Sessions {
  readonly #host: SessionsHost;
  readonly #byChannel = new Map<number, Session>();
  readonly #gatherers = new WeakMap<Session, Gatherer>();
  readonly #dials = new Map<Stream, Dial>();
  /** By session id, as hex: a session is found again by it, whatever its channel is by then. */
  readonly #byId = new Map<string, Session>();
  /** RESUMEs whose last page has not come, by channel. */
  readonly #pages = new Map<number, Resume>();
  #boot: string | undefined;
  readonly #budget = new Budget({
    // Those that wait are sent nothing: callers that come and go must not take from those that stay.
    sessions: () => [...this.#byChannel.values()].filter(({ up }) => up),
    send: (frame) => this.#host.send(frame, 0),
  });
  #graceMs = GRACE_MS;

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

  /** A lane is there. Another boot means that the relay's own sessions, channel 0, died with the former one. */
  welcome(welcome: Welcome): void {
    const { boot, graceMs } = welcome;
    if (this.#boot !== undefined && this.#boot !== boot) {
      this.#byChannel.get(0)?.close("done", { code: "lost", reason: "the edge was restarted" });
    }
    this.#boot = boot;
    this.#graceMs = graceMs;
    this.#budget.welcome(welcome);
  }

  /** The lanes are gone: all stands still until callers ask to go on. */
  suspend(): void {
    this.#pages.clear();
    for (const session of this.#byChannel.values()) this.#suspend(session);
  }

  /** Takes a frame that the lane itself has no use for. Throws SessionError on one that makes no sense to an agent. */
  receive(frame: Frame): void {
    switch (frame.type) {
      case TYPE.BUDGET:
        this.#budget.grant(frame.offset);
        return;
      case TYPE.CUT:
        this.#cut(decodeControl(frame, Cut));
        return;
      case TYPE.AWAY:
        this.#suspend(this.#byChannel.get(frame.channel));
        return;
      case TYPE.SESSION:
        this.#guarded(frame, () => this.#begin(frame));
        return;
      case TYPE.RESUME:
        this.#guarded(frame, () => this.#resume(frame));
        return;
      default:
        if (frame.type < TYPE.SESSION) return;
        this.#forSession(frame);
    }
  }

  /** A lane is lost and others live: callers ask what arrived, for what was on its way need not be followed by anything that would show a gap. */
  lost(): void {
    // The relay's own session, channel 0, sees the loss itself.
    for (const channel of this.#byChannel.keys())
      if (channel !== 0) this.#host.send(encodeFrame({ type: TYPE.NUDGE, channel }), 0);
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

  #suspend(session: Session | undefined): void {
    if (session === undefined) return;
    this.#gatherers.get(session)?.drop();
    session.suspend();
    this.#forgetIdle();
    this.#budget.divide();
  }

  /** Sessions that wait without a stream are kept for callers who come back, but not for ever more of them. */
  #forgetIdle(): void {
    const idle = [...this.#byId.values()].filter(({ up, streams }) => !up && streams.size === 0);
    for (const session of idle.slice(0, Math.max(0, idle.length - MOST_IDLE)))
      session.close("idle", { code: "lost", reason: "too many sessions wait" });
  }

  /** A caller's word is not the relay's: what makes no sense is refused on its channel, and ends nobody else's lane. */
  #guarded({ channel }: Frame, step: () => void): void {
    try {
      step();
    } catch (error) {
      if (!(error instanceof SessionError)) throw error;
      this.#pages.delete(channel);
      this.#refuse(channel, error.message);
    }
  }

  #begin(frame: Frame): void {
    const fields = decodeFields(frame.payload);
    const id = fields.get(1);
    const key = fields.get(2);
    if (id?.byteLength !== 16 || key?.byteLength !== 32)
      throw new SessionError("protocol", "SESSION without id or secret");
    const name = hex(id);
    const { channel } = frame;
    // Callers say it on each of their lanes, so that no DIAL on another one comes before it.
    const known = this.#byId.get(name);
    if (known?.to.channel === channel) return;
    if (known !== undefined) return this.#refuse(channel, "that session is somebody else's");
    this.#byChannel.get(channel)?.close("done", { code: "lost", reason: "the caller began anew" });
    const gatherer = new Gatherer({
      send: this.#host.send,
      // After the sockets of this turn: answers to several visitors leave together.
      soon: (flush) => void setImmediate(flush),
      later: (flush) => void setTimeout(flush, PATIENCE_MS),
    });
    // Apart from the rest: a relay may drop a message of datagrams.
    const datagrams = new Gatherer({
      send: this.#host.send,
      soon: (flush) => void setImmediate(flush),
      later: setImmediate,
    });
    const session: Session = new Session({
      role: "agent",
      frameBytes: Math.max(USUAL_DATA, numberField(fields, 3)),
      secret: new Secret(id.slice(), key.slice()),
      to: { channel, slot: 0 },
      graceMs: () => this.#graceMs,
      io: {
        send: (sent, lane, patient) => (sent[0] === TYPE.DGRAM ? datagrams : gatherer).send(sent, lane, patient),
        room: this.#host.room,
        now: () => performance.now(),
      },
      dial: this.#host.dial,
      demands: () => this.#budget.divide(),
      ended: () => {
        if (this.#byChannel.get(session.to.channel) === session) this.#byChannel.delete(session.to.channel);
        if (this.#byId.get(name) === session) this.#byId.delete(name);
      },
    });
    this.#gatherers.set(session, gatherer);
    this.#byChannel.set(channel, session);
    this.#byId.set(name, session);
    session.allow(frame.offset);
    this.#budget.divide();
  }

  /** A caller asks to go on, perhaps on another channel than before. */
  #resume(frame: Frame): void {
    const { channel } = frame;
    const page = decodeResume(frame.payload);
    const begun = this.#pages.get(channel);
    const resume = begun === undefined ? page : { ...page, records: [...begun.records, ...page.records] };
    this.#pages.delete(channel);
    if (resume.records.length > MAX_STREAMS) return this.#refuse(channel, "more streams than a session may have");
    if ((frame.flags & FLAG_MORE) !== 0) return void this.#pages.set(channel, resume);
    const session = this.#byId.get(hex(resume.id));
    const before = session?.to.channel;
    const outcome = session?.reunite({ channel, slot: 0 }, frame.offset, resume.proof, resume.records) ?? "refused";
    // Read late from a connection that was replaced meanwhile: an answer would end what the later one has resumed.
    if (outcome === "stale") return;
    if (session === undefined || outcome === "refused") return this.#refuse(channel, "no such session");
    if (before !== undefined && before !== channel && this.#byChannel.get(before) === session)
      this.#byChannel.delete(before);
    if (session.over) return;
    if (this.#byChannel.get(channel) !== session)
      this.#byChannel.get(channel)?.close("done", { code: "lost", reason: "the caller went on with another session" });
    this.#byChannel.set(channel, session);
    this.#budget.divide();
  }

  #refuse(channel: number, reason: string): void {
    this.#host.send(encodeFrame({ type: TYPE.END, channel }, encodeFields({ 1: "done", 2: reason })), 0);
  }

  #forSession(frame: Frame): void {
    const session = this.#byChannel.get(frame.channel);
    if (session !== undefined) session.receive(frame);
    else if (frame.type === TYPE.DIAL) this.#refuse(frame.channel, "no session on this channel");
  }

  #cut(cut: Cut): void {
    for (const [stream, dial] of this.#dials) {
      const hit =
        dial.mapping === cut.mapping ||
        (cut.token !== undefined && dial.token === cut.token) ||
        (cut.grant !== undefined && dial.grant === cut.grant);
      if (hit) stream.reset(streamCode(cut.code), cut.reason);
    }
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
