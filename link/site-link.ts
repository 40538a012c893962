import { randomBytes } from "node:crypto";
import { decodeControl, Routes, type Welcome } from "../shared/control.ts";
import type { Failure } from "../shared/errors.ts";
import { encodeFields } from "../shared/fields.ts";
import { encodeFrame, FLAG_MORE, TYPE, type Frame } from "../shared/frame.ts";
import { Gatherer } from "../shared/gather.ts";
import { GRACE_MS, MAX_DATA } from "../shared/limits.ts";
import { encodeOpen, type Kind } from "../shared/open.ts";
import { Secret } from "../shared/resume.ts";
import { Session } from "../shared/session.ts";
import type { Stream } from "../shared/stream.ts";
import { PROTOCOL, VERSION } from "../shared/version.ts";
import { Budget } from "./budget.ts";
import type { LinkFault, LinkStopped } from "./fault.ts";
import { LANES, Lanes } from "./lanes.ts";

const TICK_MS = 1_000;
const REALTIME_LANE = 0;
/** Milliseconds that an acknowledgement waits for company. */
const PATIENCE_MS = 25;

export type SiteLinkOptions = {
  /** `wss://host` or, on loopback, `ws://host:port`. */
  edge: URL;
  site: string;
  kind: "client" | "gateway";
  token: () => string;
  incarnation: string;
};

export type SiteLinkEvents = {
  /** Endpoints or agents changed. */
  routes: () => void;
  connected: () => void;
  disconnected: (fault: LinkFault, retryInMs: number) => void;
  /** One of its lanes is gone, or replaced (null), while others live. */
  lost: (lane: number, fault: LinkFault | null) => void;
  /** Dialling again is useless. */
  stopped: (fault: LinkStopped) => void;
  /** The realtime lane takes datagrams again. */
  drained: () => void;
  /** An answer to a RENEW; clients never ask. */
  renewed?: (frame: Frame) => void;
};

type Slot = Routes["slots"][number];
type Endpoints = Routes["endpoints"];

/** The lanes of a client or gateway to one site, and its session with each agent there. */
export class SiteLink implements AsyncDisposable {
  readonly site: string;
  readonly #events: SiteLinkEvents;
  readonly #lanes: Lanes;
  readonly #stop = new AbortController();
  /** By incarnation of the agent: its slot is another one after every restart of the relay. */
  readonly #sessions = new Map<string, { session: Session; gatherer: Gatherer; identity: string }>();
  readonly #running: Promise<void>;
  readonly #timer: NodeJS.Timeout;
  #slots: Slot[] = [];
  #endpoints: Endpoints = [];
  #pages: Endpoints = [];
  #channel = 0;
  readonly #budget = new Budget({ sessions: () => this.#each(), send: (frame) => this.send(frame) });
  #graceMs = GRACE_MS;
  #turn = 0;

  constructor({ edge, site, kind, token, incarnation }: SiteLinkOptions, events: SiteLinkEvents) {
    this.site = site;
    this.#events = events;
    const url = new URL("/.sallyport/connect", edge);
    url.searchParams.set("site", site);
    this.#lanes = new Lanes({
      url,
      token,
      hello: { protocol: PROTOCOL, kind, incarnation, version: VERSION, frameBytes: MAX_DATA, features: [] },
      waiting: () => this.#each().some((session) => session.charges.sent > 0),
      frame: (frame) => this.#receive(frame),
      room: () => this.#each().forEach((session) => session.pump()),
      drained: () => events.drained(),
      up: (welcome) => this.#up(welcome),
      lost: (lane, fault) => {
        events.lost(lane, fault);
        for (const session of this.#each())
          session.move(lane, lane === REALTIME_LANE ? lane : this.#lanes.nextDataLane());
      },
      down: (fault, retryMs) => this.#down(fault, retryMs),
    });
    this.#timer = setInterval(() => this.#each().forEach((session) => session.tick()), TICK_MS).unref();
    this.#running = this.#run();
  }

  /** What may be opened at this site, by the last ROUTES. */
  get endpoints(): Endpoints {
    return this.#endpoints;
  }

  get agents(): number {
    return this.#slots.length;
  }

  /** True when an agent is there to open streams to. */
  get isReady(): boolean {
    return this.#lanes.connected && this.#takers.length > 0;
  }

  get isConnected(): boolean {
    return this.#lanes.connected;
  }

  /** Milliseconds of the last ping; null before the first. */
  get rtt(): number | null {
    return this.#lanes.rtt;
  }

  get streams(): number {
    return this.#each().reduce((sum, { streams }) => sum + streams.size, 0);
  }

  /** Bytes that a datagram would have to wait behind. */
  get queued(): number {
    return this.#lanes.queued(REALTIME_LANE);
  }

  /** Sends a frame that is for the relay itself. */
  send(frame: Uint8Array): void {
    this.#lanes.send(frame, REALTIME_LANE);
  }

  /** Opens a stream or flow at a concrete endpoint; DATA may follow at once. `tried`: agents that turned out to be gone. */
  open(endpoint: string, visitor: string, kind: Kind, tried: ReadonlySet<string> = new Set()): Stream | Failure {
    if (!this.#lanes.connected) return { code: "lost", reason: "the edge is out of reach" };
    const able = this.#takers.filter(({ incarnation }) => !tried.has(incarnation));
    this.#turn += 1;
    const agent = able[this.#turn % Math.max(1, able.length)];
    if (agent === undefined) return { code: "no-agent", reason: `no agent of ${this.site} is online` };
    const lane = kind === "udp" ? REALTIME_LANE : this.#lanes.nextDataLane();
    return this.#session(agent).open(TYPE.OPEN, encodeOpen({ endpoint, visitor }), { lane });
  }

  /** The incarnation of the agent that a live stream leads to, for callers who try another one. */
  agentOf(stream: Stream): string | undefined {
    for (const [incarnation, { session }] of this.#sessions)
      if (session.streams.get(stream.id) === stream) return incarnation;
    return undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    for (const { session, gatherer } of [...this.#sessions.values()]) {
      gatherer.flush();
      session.end("done", "the caller stopped");
      gatherer.flush();
    }
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const stopped = await this.#lanes.run(this.#stop.signal);
    clearInterval(this.#timer);
    const reason = stopped?.reason ?? "the caller stopped";
    for (const session of this.#each()) session.close("done", { code: stopped === null ? "lost" : "cut", reason });
    if (stopped !== null) this.#events.stopped(stopped);
  }

  #up(welcome: Welcome): void {
    const { channel = 0, graceMs } = welcome;
    this.#graceMs = graceMs;
    this.#channel = channel;
    this.#budget.welcome(welcome);
    // ROUTES follows, and takes up the sessions that wait.
    this.#events.connected();
  }

  #down(fault: LinkFault, retryMs: number): void {
    for (const { session, gatherer } of this.#sessions.values()) {
      // What was not sent is for resuming to say again.
      gatherer.drop();
      session.suspend();
    }
    this.#events.disconnected(fault, retryMs);
  }

  #receive(frame: Frame): void {
    switch (frame.type) {
      case TYPE.ROUTES: {
        const { slots, endpoints } = decodeControl(frame, Routes);
        this.#pages.push(...endpoints);
        if ((frame.flags & FLAG_MORE) !== 0) return;
        this.#slots = slots;
        this.#endpoints = this.#pages;
        this.#pages = [];
        this.#rejoin();
        this.#events.routes();
        return;
      }
      case TYPE.RENEW:
        this.#events.renewed?.(frame);
        return;
      case TYPE.BUDGET:
        this.#budget.grant(frame.offset);
        return;
      default:
        // CUT is carried out by the agents, who know what was opened for what; here it arrives as RESET.
        if (frame.type < TYPE.SESSION) return;
        this.#each()
          .find((session) => session.to.slot === frame.slot)
          ?.receive(frame);
    }
  }

  /** Sessions whose agent is there go on; those whose agent was replaced end; the others wait. */
  #rejoin(): void {
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

  #session(agent: Slot): Session {
    const existing = this.#sessions.get(agent.incarnation);
    if (existing !== undefined) return existing.session;
    const id = randomBytes(16);
    const key = randomBytes(32);
    const to = { channel: this.#channel, slot: agent.slot };
    const host = {
      send: (frame: Uint8Array, lane: number) => this.#lanes.send(frame, lane),
      soon: (flush: () => void) => void setImmediate(flush),
      later: (flush: () => void) => void setTimeout(flush, PATIENCE_MS),
    };
    const gatherer = new Gatherer(host);
    // Apart from the rest: a relay may drop a message of datagrams.
    const datagrams = new Gatherer(host);
    const session: Session = new Session({
      role: "caller",
      to,
      frameBytes: agent.frameBytes,
      secret: new Secret(id, key),
      graceMs: () => this.#graceMs,
      io: {
        send: (frame, lane, patient) => (frame[0] === TYPE.DGRAM ? datagrams : gatherer).send(frame, lane, patient),
        room: (lane) => this.#lanes.room(lane),
        now: () => performance.now(),
      },
      demands: () => this.#budget.divide(),
      ended: () => {
        if (this.#sessions.get(agent.incarnation)?.session === session) this.#sessions.delete(agent.incarnation);
      },
    });
    this.#sessions.set(agent.incarnation, { session, gatherer, identity: agent.agent });
    const offset = this.#budget.part(session);
    session.grant(offset, false);
    // On every lane, or an OPEN on another one could overtake it; the agent takes the first.
    const payload = encodeFields({ 1: id, 2: key, 3: MAX_DATA });
    for (let lane = 0; lane < LANES; lane += 1) {
      this.#lanes.send(encodeFrame({ type: TYPE.SESSION, lane, ...to, offset }, payload), lane);
    }
    this.#budget.divide();
    return session;
  }

  /** Agents that take new streams. */
  get #takers(): Slot[] {
    const taking = new Set(this.#endpoints.flatMap(({ slots }) => slots));
    return this.#slots.filter(({ slot }) => taking.has(slot));
  }

  #each(): Session[] {
    return [...this.#sessions.values()].map(({ session }) => session);
  }
}
