import { randomBytes } from "node:crypto";
import { CallerSessions, type Endpoints } from "../shared/session/caller-sessions.ts";
import type { Welcome } from "../shared/wire/control.ts";
import type { Failure } from "../shared/wire/errors.ts";
import { TYPE, type Frame } from "../shared/wire/frame.ts";
import { DEAD_MS, MAX_DATA } from "../shared/wire/limits.ts";
import { encodeOpen, type Kind } from "../shared/wire/open.ts";
import { TICK_MS, type Session } from "../shared/session/session.ts";
import type { Stream } from "../shared/session/stream.ts";
import { PROTOCOL, VERSION } from "../shared/wire/version.ts";
import type { Dialler } from "./dial/dialler.ts";
import type { LinkFault, FatalFault } from "./fault.ts";
import { LANES, Lanes } from "./lanes.ts";
import { sessionIo } from "./session-io.ts";

const REALTIME_LANE = 0;

export type SiteLinkOptions = {
  /** `wss://host` or, on loopback, `ws://host:port`. */
  edge: URL;
  site: string;
  kind: "client" | "gateway";
  dialler: Dialler;
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
  /** A fault that no retry fixes. */
  stopped: (fault: FatalFault) => void;
  /** The realtime lane takes datagrams again. */
  drained: () => void;
  /** Makes the frame that renews an expired token; clients don't renew theirs. */
  renew?: () => Uint8Array;
  /** An answer to a RENEW. */
  renewed?: (frame: Frame) => void;
};

/** The lanes of a client or gateway to one site, and its session with each agent there. */
export class SiteLink implements AsyncDisposable {
  readonly site: string;
  readonly #events: SiteLinkEvents;
  readonly #lanes: Lanes;
  readonly #stop = new AbortController();
  readonly #sessions: CallerSessions;
  readonly #running: Promise<void>;
  readonly #timer: NodeJS.Timeout;
  #turn = 0;

  constructor({ edge, site, kind, dialler, token, incarnation }: SiteLinkOptions, events: SiteLinkEvents) {
    this.site = site;
    this.#events = events;
    const url = new URL("/.sallyport/connect", edge);
    url.searchParams.set("site", site);
    this.#lanes = new Lanes({
      url,
      dialler: () => dialler,
      token,
      hello: () => ({ protocol: PROTOCOL, kind, incarnation, version: VERSION, frameBytes: MAX_DATA, features: [] }),
      ...(events.renew === undefined ? {} : { renew: events.renew }),
      waiting: () => this.#sessions.waiting,
      frame: (frame) => this.#receive(frame),
      writable: () => this.#sessions.pump(),
      drained: () => events.drained(),
      up: (welcome) => this.#up(welcome),
      lost: (lane, fault) => {
        events.lost(lane, fault);
        this.#sessions.lost(lane);
      },
      down: (fault, retryMs) => {
        this.#sessions.suspend();
        events.disconnected(fault, retryMs);
      },
    });
    this.#sessions = new CallerSessions({
      io: sessionIo(this.#lanes),
      lanes: LANES,
      dataLane: () => this.#lanes.nextDataLane(),
      random: (bytes) => randomBytes(bytes),
      drained: () => events.drained(),
    });
    this.#timer = setInterval(() => this.#tick(), TICK_MS).unref();
    this.#running = this.#run();
  }

  /** The endpoints of this site, by the last ROUTES. */
  get endpoints(): Endpoints {
    return this.#sessions.endpoints;
  }

  /** Milliseconds since 1970 by the edge's clock; undefined until it has sent its time. */
  get edgeTime(): number | undefined {
    return this.#lanes.edgeTime;
  }

  get agents(): number {
    return this.#sessions.slots.length;
  }

  /** True when an agent is there to open streams to. */
  get isReady(): boolean {
    return this.#lanes.connected && this.#sessions.acceptingSlots.length > 0;
  }

  get isConnected(): boolean {
    return this.#lanes.connected;
  }

  /** Round trip of the last ping in milliseconds; null before the first answer. */
  get rtt(): number | null {
    return this.#lanes.rtt;
  }

  get streams(): number {
    return this.#sessions.streams;
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
    if (!this.#lanes.connected) return { code: "lost", reason: "the edge can't be reached" };
    const able = this.#sessions.acceptingSlots.filter(({ incarnation }) => !tried.has(incarnation));
    this.#turn += 1;
    const agent = able[this.#turn % Math.max(1, able.length)];
    if (agent === undefined) return { code: "no-agent", reason: `no agent of ${this.site} is online` };
    const lane = kind === "udp" ? REALTIME_LANE : this.#lanes.nextDataLane();
    const session: Session = this.#sessions.session(agent);
    return session.open(TYPE.OPEN, encodeOpen({ endpoint, visitor }), { lane });
  }

  /** Returns the incarnation of the agent that a live stream leads to, so that another one can be tried. */
  agentOf(stream: Stream): string | undefined {
    return this.#sessions.agentOf(stream);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#sessions.end("the caller stopped");
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const stopped = await this.#lanes.run(this.#stop.signal);
    clearInterval(this.#timer);
    const reason = stopped?.reason ?? "the caller stopped";
    this.#sessions.close({ code: stopped === null ? "lost" : "cut", reason });
    if (stopped !== null) this.#events.stopped(stopped);
  }

  #up(welcome: Welcome): void {
    this.#sessions.welcome(welcome);
    this.#events.connected();
  }

  #tick(): void {
    this.#sessions.tick();
    // Neither an agent without power nor a hibernating relay sends anything: without this, streams would wait for ever.
    if (this.#sessions.streams > 0 && this.#lanes.silentMs >= DEAD_MS) this.#sessions.wakeRelay();
  }

  #receive(frame: Frame): void {
    switch (frame.type) {
      case TYPE.ROUTES:
        if (this.#sessions.routes(frame)) this.#events.routes();
        return;
      case TYPE.RENEW:
        this.#events.renewed?.(frame);
        return;
      default:
        this.#sessions.receive(frame);
    }
  }
}
