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
  /** How many lanes there may be. */
  lanes: number;
  /** A live lane for what is not realtime, each in its turn. */
  dataLane: () => number;
  /** Bytes that cannot be guessed. */
  random: (bytes: number) => Uint8Array;
  /** Datagrams that waited may go. */
  drained?: () => void;
};

export type Slot = Routes["slots"][number];
export type Endpoints = Routes["endpoints"];

/** By incarnation of the agent: its slot is another one after every restart of the relay. */
type Kept = { readonly session: Session; readonly identity: string };

/** The caller's half of a site's sessions: one with each agent, and what the relay says about them. */
export class CallerSessions {
  readonly #host: CallerSessionsHost;
  readonly #sessions = new Map<string, Kept>();
  /** By slot. */
  readonly #ended = new EndedSessions();
  readonly #budget = new Budget({ sessions: () => this.all, send: (frame) => this.#host.io.send(frame, 0) });
  #slots: Slot[] = [];
  #endpoints: Endpoints = [];
  /** Endpoints of a ROUTES whose last page has not come. */
  #pages: Endpoints = [];
  #channel = 0;
  #graceMs = GRACE_MS;

  constructor(host: CallerSessionsHost) {
    this.#host = host;
  }

  /** What may be opened at this site, by the last ROUTES. */
  get endpoints(): Endpoints {
    return this.#endpoints;
  }

  /** The agents that are there. */
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

  /** True while the agents hold bytes of ours that they have not consumed. */
  get waiting(): boolean {
    return this.all.some(({ outstanding }) => outstanding.sent > 0);
  }

  /** The first lane is there, or there again. ROUTES follows, and takes up the sessions that wait. */
  welcome(welcome: Welcome): void {
    const { channel = 0, graceMs } = welcome;
    this.#graceMs = graceMs;
    this.#channel = channel;
    this.#budget.welcome(welcome);
  }

  /** No lane is left: all streams stand still. */
  suspend(): void {
    for (const session of this.all) session.suspend();
  }

  /** A lane is lost, or another has taken its place: both ends settle what was on its way, over the lanes there are. */
  lost(lane: number): void {
    for (const session of this.all) session.move(lane, lane === 0 ? 0 : this.#host.dataLane());
  }

  pump(): void {
    for (const session of this.all) session.pump();
  }

  /** Once a second. */
  tick(): void {
    for (const session of this.all) session.tick();
  }

  /** Wakes the relay, which then looks for ends that have gone silent. */
  wakeRelay(): void {
    this.#budget.repeatDemand();
  }

  /** Takes ROUTES; true when that was its last page. Throws SessionError on one that makes no sense. */
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
    // CUT is carried out by the agents, which know what was opened for what; here it arrives as RESET.
    if (frame.type < TYPE.SESSION) return;
    const session = this.all.find(({ to }) => to.slot === frame.slot);
    if (session !== undefined) return session.receive(frame);
    // An answer to END would be answered in turn; and of an agent on a new slot, ROUTES may come after its frames.
    if (frame.type === TYPE.END || !this.#slots.some(({ slot }) => slot === frame.slot)) return;
    const answer = this.#ended.answer(frame.slot, this.#host.io.now());
    if (answer === null) return;
    const to = { channel: this.#channel, slot: frame.slot };
    this.#host.io.send(encodeEnd(to, { code: "done", reason: "no session with this agent", id: answer.id }), 0);
  }

  /** Opens a stream or flow; DATA may follow at once. `tried`: agents, by incarnation, that turned out to be gone. */
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

  /** The incarnation of the agent that a live stream leads to. */
  agentOf(stream: Stream): string | undefined {
    for (const [incarnation, { session }] of this.#sessions)
      if (session.streams.get(stream.id) === stream) return incarnation;
    return undefined;
  }

  /** Ends every session; the agents hear why. */
  end(reason: string): void {
    for (const session of this.all) session.end("done", reason);
  }

  /** Ends every session without a word to the agents. */
  close(failure: Failure): void {
    for (const session of this.all) session.close("done", failure);
  }

  /** Sessions whose agent is there go on; those whose agent was replaced end; the others wait. */
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
