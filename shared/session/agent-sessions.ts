import { assemble, type AgentSessionEvent } from "./assemble.ts";
import { Budget } from "./budget.ts";
import { Cut, decodeControl, type Welcome } from "../wire/control.ts";
import { encodeEnd } from "../wire/ending.ts";
import { SessionError, type Failure } from "../wire/errors.ts";
import { encodeFrame, FLAG_MORE, TYPE, type Frame } from "../wire/frame.ts";
import { EndedSessions } from "./ended-sessions.ts";
import { decodeSessionFields } from "../wire/session-fields.ts";
import { GRACE_MS, MAX_STREAMS } from "../wire/limits.ts";
import type { Dial } from "../wire/open.ts";
import { decodeResume, type Resume } from "../wire/resume.ts";
import type { Session, SessionIo } from "./session.ts";
import type { Stream } from "./stream.ts";

export type AgentSessionsHost = {
  io: SessionIo;
  /** DIAL has opened a stream: accept or reject it, now or later. */
  dial: (stream: Stream, dial: Dial) => void;
  /** Waiting datagrams may be sent. */
  drained?: () => void;
  /** CUT: a rule, token or grant was removed or changed. End the streams that it allowed. */
  cut: (cut: Cut) => void;
};

/** Most sessions without a path and without streams that are kept. */
const MAX_IDLE = 64;

/** The agent's end of all its sessions, by channel. Handles the frames that begin, resume, address and bound them. */
export class AgentSessions {
  readonly #host: AgentSessionsHost;
  readonly #byChannel = new Map<number, Session>();
  /** By id: a caller may resume its session on another channel. */
  readonly #byId = new Map<string, Session>();
  readonly #ended = new EndedSessions();
  /** RESUMEs whose last page has not come yet, by channel. */
  readonly #pages = new Map<number, Resume>();
  #boot: string | undefined;
  readonly #budget = new Budget({
    // Sessions without a path get no share: callers that come and go must not take from those that stay.
    sessions: () => this.#sessions.filter(({ up }) => up),
    send: (frame) => this.#host.io.send(frame, 0),
  });
  #graceMs = GRACE_MS;

  constructor(host: AgentSessionsHost) {
    this.#host = host;
  }

  get streams(): number {
    return this.#sessions.reduce((count, { streams }) => count + streams.size, 0);
  }

  /** True while callers have not consumed everything that was sent to them. */
  get waiting(): boolean {
    return this.#sessions.some(({ outstanding }) => outstanding.sent > 0);
  }

  /** Takes the WELCOME of the first lane, or of the first after all were lost. */
  welcome(welcome: Welcome): void {
    const { boot, graceMs } = welcome;
    // With another boot, the relay's own session (channel 0) ended with the former relay.
    if (this.#boot !== undefined && this.#boot !== boot)
      this.#byChannel.get(0)?.close("done", { code: "lost", reason: "the edge was restarted" });
    this.#boot = boot;
    this.#graceMs = graceMs;
    this.#budget.welcome(welcome);
    // A relay that has not noticed the loss of the lanes has told no caller, so this agent asks each to resume.
    for (const session of this.#sessions) if (!session.up) this.#nudge(session);
  }

  /** Suspends all sessions, because no lane is left. Their streams wait until the callers resume. */
  suspend(): void {
    this.#pages.clear();
    for (const session of this.#sessions) session.suspend();
    this.#forgetIdle();
    this.#budget.divide();
  }

  /**
   * Asks all callers to resume, because a lane was lost or replaced: its lost frames may be the last ones, so that no later
   * frame shows a gap.
   */
  lost(): void {
    for (const session of this.#sessions) this.#nudge(session);
  }

  /** Takes a frame that is not for the lane itself. Throws SessionError for one that an agent can't take. */
  receive(frame: Frame): void {
    switch (frame.type) {
      case TYPE.BUDGET:
        this.#budget.grant(frame.offset);
        return;
      case TYPE.CUT:
        this.#host.cut(decodeControl(frame, Cut));
        return;
      case TYPE.AWAY:
        this.#away(frame);
        return;
      case TYPE.SESSION:
        this.#guarded(frame, () => this.#begin(frame));
        return;
      case TYPE.RESUME:
        this.#guarded(frame, () => this.#resume(frame));
        return;
      default:
        if (frame.type >= TYPE.SESSION) this.#forSession(frame);
    }
  }

  pump(): void {
    for (const session of this.#sessions) session.pump();
  }

  /** Call it once a second. */
  tick(): void {
    for (const session of this.#sessions) session.tick();
  }

  /** Sends the last BUDGET again, which wakes the relay: it then looks for lanes that have gone silent. */
  wakeRelay(): void {
    this.#budget.repeatDemand();
  }

  /** Ends all sessions without END: the path is lost for good, or the agent stops. */
  close(failure: Failure): void {
    for (const session of this.#sessions) session.close("done", failure);
  }

  get #sessions(): Session[] {
    return [...this.#byChannel.values()];
  }

  /** Takes AWAY: the caller of a channel has no lane left. */
  #away({ channel }: Frame): void {
    const session = this.#byChannel.get(channel);
    if (session === undefined) return;
    session.suspend();
    this.#forgetIdle();
    this.#budget.divide();
  }

  /** Sends NUDGE to the caller of a session. */
  #nudge({ to }: Session): void {
    this.#host.io.send(encodeFrame({ type: TYPE.NUDGE, channel: to.channel }), 0);
  }

  /** Ends the oldest sessions without path and streams beyond MAX_IDLE. The others wait for callers that come back. */
  #forgetIdle(): void {
    const idle = [...this.#byId.values()].filter((each) => !each.up && each.streams.size === 0);
    for (const session of idle.slice(0, Math.max(0, idle.length - MAX_IDLE)))
      session.end("idle", "too many sessions wait");
  }

  /**
   * Runs a step for a caller's frame. A SessionError refuses it on its channel, so that one caller's fault doesn't end the
   * lane that all share.
   */
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
    const fields = decodeSessionFields(frame.payload);
    const { id } = fields;
    const name = hex(id);
    const { channel } = frame;
    // Callers send SESSION on each of their lanes, so that no DIAL on another lane comes before it.
    const known = this.#byId.get(name);
    if (known?.to.channel === channel) return;
    if (known !== undefined) return this.#refuse(channel, "this session belongs to another caller", id);
    this.#byChannel.get(channel)?.close("done", { code: "lost", reason: "the caller began a new session" });
    const session = assemble({
      role: "agent",
      to: { channel, slot: 0 },
      io: this.#host.io,
      graceMs: () => this.#graceMs,
      fields,
      on: (event, of) => this.#on(event, of),
    });
    this.#byChannel.set(channel, session);
    this.#byId.set(name, session);
    session.setSendWindow(frame.offset);
    this.#budget.divide();
  }

  #on(event: AgentSessionEvent, session: Session): void {
    switch (event.type) {
      case "dial":
        return this.#host.dial(event.stream, event.dial);
      case "demand":
        return this.#budget.divide();
      case "drained":
        return this.#host.drained?.();
      case "over": {
        const { channel } = session.to;
        this.#ended.add(channel, event.id);
        if (this.#byChannel.get(channel) === session) this.#byChannel.delete(channel);
        this.#byId.delete(hex(event.id));
      }
    }
  }

  /** Takes a page of RESUME, perhaps on another channel than before, and answers the last one. */
  #resume(frame: Frame): void {
    const { channel } = frame;
    const page = decodeResume(frame.payload);
    const begun = this.#pages.get(channel);
    const resume = begun === undefined ? page : { ...page, records: [...begun.records, ...page.records] };
    this.#pages.delete(channel);
    if (resume.records.length > MAX_STREAMS)
      return this.#refuse(channel, "more streams than a session may have", resume.id);
    if ((frame.flags & FLAG_MORE) !== 0) return void this.#pages.set(channel, resume);
    const session = this.#byId.get(hex(resume.id));
    const before = session?.to.channel;
    const outcome =
      session?.acceptResume({ channel, slot: 0 }, frame.offset, resume.proof, resume.records) ?? "refused";
    // Read late from a connection that was replaced since: an answer would end the session that the later RESUME has resumed.
    if (outcome === "stale") return;
    if (session === undefined || outcome === "refused") {
      const never = session === undefined && !this.#ended.knows(resume.id);
      return this.#refuse(channel, "no such session", resume.id, never);
    }
    if (before !== undefined && before !== channel && this.#byChannel.get(before) === session)
      this.#byChannel.delete(before);
    if (session.over) return;
    const other = this.#byChannel.get(channel);
    if (other !== session) other?.close("done", { code: "lost", reason: "the caller went on with another session" });
    this.#byChannel.set(channel, session);
    this.#budget.divide();
  }

  #refuse(channel: number, reason: string, id?: Uint8Array, never = false): void {
    this.#host.io.send(encodeEnd({ channel }, { code: "done", reason, id, never }), 0);
  }

  #forSession(frame: Frame): void {
    const session = this.#byChannel.get(frame.channel);
    if (session !== undefined) return session.receive(frame);
    // END is never answered: the answer would be answered in turn.
    if (frame.type === TYPE.END) return;
    const answer = this.#ended.answer(frame.channel, this.#host.io.now());
    if (answer !== null) this.#refuse(frame.channel, "no session on this channel", answer.id, answer.id === undefined);
  }
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
