import { assemble, type SessionEvent } from "./assemble.ts";
import { Budget } from "./budget.ts";
import { decodeControl, Routes, type Welcome } from "../wire/control.ts";
import { encodeEnd } from "../wire/ending.ts";
import { FLAG_MORE, TYPE, type Frame } from "../wire/frame.ts";
import { EndedSessions } from "./ended-sessions.ts";
import { newSessionFields } from "../wire/session-fields.ts";
import { GRACE_MS } from "../wire/limits.ts";
import type { Failure } from "../wire/errors.ts";
import type { Session, SessionIo } from "./session.ts";
import type { Stream } from "./stream.ts";

export type CallerSessionsHost = {
  io: SessionIo;
  /** Most lanes of this end. */
  lanes: number;
  /** Picks a live lane for streams that are not realtime, in turns. */
  dataLane: () => number;
  /** Makes bytes that can't be guessed. */
  random: (bytes: number) => Uint8Array;
  /** Waiting datagrams may be sent. */
  drained?: () => void;
};

export type Slot = Routes["slots"][number];
export type Endpoints = Routes["endpoints"];

/** A session, with the identity of its agent. */
type Kept = { readonly session: Session; readonly identity: string };

/** The caller's end of its sessions at one site, one with each agent. Handles ROUTES, BUDGET and the frames that address them. */
export class CallerSessions {
  readonly #host: CallerSessionsHost;
  /** By incarnation of the agent: its slot changes with every restart of the relay. */
  readonly #sessions = new Map<string, Kept>();
  /** By slot. */
  readonly #ended = new EndedSessions();
  readonly #budget = new Budget({ sessions: () => this.all, send: (frame) => this.#host.io.send(frame, 0) });
  #slots: Slot[] = [];
  #endpoints: Endpoints = [];
  /** Endpoints of a ROUTES whose last page has not come yet. */
  #pages: Endpoints = [];
  #channel = 0;
  #graceMs = GRACE_MS;

  constructor(host: CallerSessionsHost) {
    this.#host = host;
  }

  /** The endpoints that may be opened at this site, by the last ROUTES. */
  get endpoints(): Endpoints {
    return this.#endpoints;
  }

  /** The agents that are online. */
  get slots(): readonly Slot[] {
    return this.#slots;
  }

  /** The agents that take new streams. */
  get acceptingSlots(): Slot[] {
    const taking = new Set(this.#endpoints.flatMap(({ slots }) => slots));
    return this.#slots.filter(({ slot }) => taking.has(slot));
  }

  get all(): Session[] {
    return [...this.#sessions.values()].map(({ session }) => session);
  }

  get streams(): number {
    return this.all.reduce((sum, { streams }) => sum + streams.size, 0);
  }

  /** True while agents have not consumed everything that was sent to them. */
  get waiting(): boolean {
    return this.all.some(({ outstanding }) => outstanding.sent > 0);
  }

  /** Takes the WELCOME of the first lane, or of the first after all were lost. ROUTES follows, and resumes the sessions. */
  welcome(welcome: Welcome): void {
    const { channel = 0, graceMs } = welcome;
    this.#graceMs = graceMs;
    this.#channel = channel;
    this.#budget.welcome(welcome);
  }

  /** Suspends all sessions, because no lane is left. */
  suspend(): void {
    for (const session of this.all) session.suspend();
  }

  /** Moves the streams of a lane that was lost or replaced, and resumes all sessions over the lanes that are left. */
  lost(lane: number): void {
    for (const session of this.all) session.move(lane, lane === 0 ? 0 : this.#host.dataLane());
  }

  pump(): void {
    for (const session of this.all) session.pump();
  }

  /** Call it once a second. */
  tick(): void {
    for (const session of this.all) session.tick();
  }

  /** Sends the last BUDGET again, which wakes the relay: it then looks for lanes that have gone silent. */
  wakeRelay(): void {
    this.#budget.repeatDemand();
  }

  /** Takes a page of ROUTES. Returns true if it was the last. Throws SessionError if it is malformed. */
  routes(frame: Frame): boolean {
    const { slots, endpoints } = decodeControl(frame, Routes);
    this.#pages.push(...endpoints);
    if ((frame.flags & FLAG_MORE) !== 0) return false;
    this.#slots = slots;
    this.#endpoints = this.#pages;
    this.#pages = [];
    this.#resumeSessions();
    return true;
  }

  /** Takes a frame of a session, or BUDGET. */
  receive(frame: Frame): void {
    if (frame.type === TYPE.BUDGET) return this.#budget.grant(frame.offset);
    // Agents carry out CUT, because they know which rule allowed each stream; a caller gets a RESET for it.
    if (frame.type < TYPE.SESSION) return;
    const session = this.all.find(({ to }) => to.slot === frame.slot);
    if (session !== undefined) return session.receive(frame);
    // END is never answered: the answer would be answered in turn. An agent on a new slot may send before ROUTES names it.
    if (frame.type === TYPE.END || !this.#slots.some(({ slot }) => slot === frame.slot)) return;
    const answer = this.#ended.answer(frame.slot, this.#host.io.now());
    if (answer === null) return;
    const to = { channel: this.#channel, slot: frame.slot };
    this.#host.io.send(encodeEnd(to, { code: "done", reason: "no session with this agent", id: answer.id }), 0);
  }

  /** Returns the session with an agent; makes and begins one if there is none. */
  session(agent: Slot): Session {
    const existing = this.#sessions.get(agent.incarnation);
    if (existing !== undefined) return existing.session;
    const { io, random, lanes } = this.#host;
    const session = assemble({
      role: "caller",
      to: { channel: this.#channel, slot: agent.slot },
      io,
      graceMs: () => this.#graceMs,
      frameBytes: agent.frameBytes,
      lanes: () => Array.from({ length: lanes }, (_, lane) => lane),
      fields: newSessionFields(random),
      on: (event, of) => this.#on(event, of, agent.incarnation),
    });
    this.#sessions.set(agent.incarnation, { session, identity: agent.agent });
    session.begin(this.#budget.share(session));
    this.#budget.divide();
    return session;
  }

  #on(event: SessionEvent, session: Session, incarnation: string): void {
    switch (event.type) {
      case "demand":
        return this.#budget.divide();
      case "drained":
        return this.#host.drained?.();
      case "over":
        this.#ended.add(session.to.slot, event.id);
        if (this.#sessions.get(incarnation)?.session === session) this.#sessions.delete(incarnation);
    }
  }

  /** The incarnation of the agent at the far end of a live stream. */
  agentOf(stream: Stream): string | undefined {
    for (const [incarnation, { session }] of this.#sessions)
      if (session.streams.get(stream.id) === stream) return incarnation;
    return undefined;
  }

  /** Ends every session, and sends END with the reason. */
  end(reason: string): void {
    for (const session of this.all) session.end("done", reason);
  }

  /** Ends every session without END. */
  close(failure: Failure): void {
    for (const session of this.all) session.close("done", failure);
  }

  /** Resumes the sessions whose agent is online, ends those whose agent was restarted, and suspends the others. */
  #resumeSessions(): void {
    for (const [incarnation, { session, identity }] of [...this.#sessions]) {
      const slot = this.#slots.find((each) => each.incarnation === incarnation)?.slot;
      const moved = session.to.slot !== slot || session.to.channel !== this.#channel;
      if (slot !== undefined && (moved || !session.up)) session.resume({ channel: this.#channel, slot });
      if (slot !== undefined) continue;
      const replaced = this.#slots.some((each) => each.agent === identity);
      if (replaced) session.close("done", { code: "lost", reason: "the agent was restarted" });
      else session.suspend();
    }
  }
}
