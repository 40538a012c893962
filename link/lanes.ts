import { Backoff } from "../shared/backoff.ts";
import { encodeControl, type Hello, type Welcome } from "../shared/wire/control.ts";
import { TYPE, type Frame } from "../shared/wire/frame.ts";
import type { Dialler } from "./dial/dialler.ts";
import { EdgeTime } from "./edge-time.ts";
import type { LinkFault, FatalFault } from "./fault.ts";
import { dialLane, Lane } from "./lane.ts";
import { pause } from "./pause.ts";
import { FEATURE_STANDBY, FEATURE_RULES } from "../shared/wire/version.ts";
import { LaneSet } from "../shared/session/lane-set.ts";
import { SendPause, SEND_PAUSE_MS } from "../shared/session/send-pause.ts";
import type { Path } from "../shared/session/path.ts";

/** Lane 0 carries datagrams and small control only; the others carry streams, so that bulk is never ahead of a voice packet. */
export const LANES = 3;

/** Milliseconds that dialling a replacement of a suspected lane may take before it is tried again. */
const REDIAL_MS = 3_000;
/** Milliseconds between two checks of a lane that was suspected once. */
const SUSPECT_CHECK_MS = 500;

/** Milliseconds until a lasting fault is reported again. */
const REPORT_MS = 60_000;

/** Milliseconds the edge may take to renew a token. */
const RENEW_MS = 15_000;

export type LanesOptions = {
  /** `wss://host/.sallyport/agent` or `…/connect`. */
  url: URL;
  /** Read at every dial: a reload may have changed it. */
  dialler: () => Dialler;
  /** Read at every dial: it may have been renewed. */
  token: () => string;
  /** Read at every dial: the rules in it may have changed. */
  hello: () => Omit<Hello, "lane">;
  /** Makes the frame that renews an expired token; absent for ends that don't renew theirs. */
  renew?: () => Uint8Array;
  /** True while the sessions have bytes the far ends have not consumed. */
  waiting: () => boolean;
  frame: (frame: Frame) => void;
  /** A lane takes bulk again. */
  writable: () => void;
  /** The first lane is open, or open again. */
  up: (welcome: Welcome) => void;
  /** The realtime lane's socket is empty: waiting datagrams may be sent. */
  drained?: () => void;
  /** One lane is gone, or another has taken its place (null), while others live: what was in flight on it is lost. */
  lost: (lane: number, fault: LinkFault | null) => void;
  /** Another process serves with this token; this one takes over when that one is gone. Agents only. */
  onStandby?: () => void;
  /** No lane is left; the next dial is in `retryMs`. */
  down: (fault: LinkFault, retryMs: number) => void;
};

/** The lanes of one end. They are dialled, kept and dialled again, until the end stops or has a fault that no retry fixes. */
export class Lanes {
  readonly #options: LanesOptions;
  readonly #live = new LaneSet<Lane>();
  readonly #stop = new AbortController();
  readonly #time = new EdgeTime();
  #stopped: FatalFault | null = null;
  #followers: Promise<void>[] = [];
  /** Another process serves with this token: HELLO asks to take over when that one is gone. */
  #standby = false;
  #features: readonly string[] = [];
  /** Why there is no lane, as last reported, and when. */
  #reported = { reason: "", at: Number.NEGATIVE_INFINITY };
  /** When the last frame was sent. */
  #sentAt = performance.now();
  readonly #sendPause = new SendPause(() => this.#paths());
  #sendPauseTimer: NodeJS.Timeout | undefined;

  constructor(options: LanesOptions) {
    this.#options = options;
  }

  get rtt(): number | null {
    return this.#live.has(0) ? (this.#live.at(0)?.rtt ?? null) : null;
  }

  get connected(): boolean {
    return this.#live.size > 0;
  }

  /** Milliseconds since this end last sent a frame. Pings don't count, because they don't reach the relay. */
  get silentMs(): number {
    return performance.now() - this.#sentAt;
  }

  /** Milliseconds since 1970 by the edge's clock; undefined until it has sent its time. */
  get edgeTime(): number | undefined {
    return this.#time.now;
  }

  /** Sends on the given lane, else on the lowest live one; without any, drops the frame. */
  send(frame: Uint8Array, lane: number): void {
    this.#live.at(lane)?.send(frame);
    this.#sentAt = performance.now();
    if (!this.#sendPause.startIfDue(frame.byteLength, this.#sentAt)) return;
    for (const [, each] of this.#live.all) if (each.path.unmarked > 0) each.ping();
    this.#sendPauseTimer = setTimeout(() => {
      this.#sendPause.abort(performance.now());
      this.#options.writable();
    }, SEND_PAUSE_MS).unref();
  }

  /** Sends HELLO again, because its content has changed. A relay of an earlier version gets it at the next dial. */
  resendHello(): void {
    const lane = this.#live.at(0);
    if (lane === undefined || !this.#features.includes(FEATURE_RULES)) return;
    lane.send(encodeControl(TYPE.HELLO, { ...this.#options.hello(), lane: lane.index }));
  }

  /** Resolves when all that was sent on the lane until now has arrived at the edge, the lane is over, or `end` aborts. */
  async delivered(lane: number, end: AbortSignal): Promise<void> {
    const ended = new Promise((resolve) => end.addEventListener("abort", resolve, { once: true }));
    await Promise.race([this.#live.at(lane)?.delivered(), ended]);
  }

  maxFrame(lane: number): number {
    return this.#sendPause.isActive ? 0 : (this.#live.at(lane)?.maxFrame ?? 0);
  }

  /** Handles an echo of a ping. */
  readonly #echoed = (): void => {
    if (this.#sendPause.endIfArrived(performance.now())) {
      clearTimeout(this.#sendPauseTimer);
      // The best moment to measure the round trip: nothing of this end is in flight.
      for (const [index, lane] of this.#live.all) if (index > 0) lane.ping();
    }
    if (!this.#sendPause.isActive) this.#options.writable();
  };

  *#paths(): Iterable<Path> {
    for (const [, { path }] of this.#live.all) yield path;
  }

  /** Bytes that wait in the socket of a lane. */
  queued(lane: number): number {
    return this.#live.at(lane)?.queued ?? 0;
  }

  /** Returns the data lane for the next stream, in rotation. */
  nextDataLane(): number {
    return this.#live.nextData();
  }

  /** Runs until `signal` aborts, and then resolves with null; else with the fault that no retry fixes. */
  async run(signal: AbortSignal): Promise<FatalFault | null> {
    const stop = AbortSignal.any([signal, this.#stop.signal]);
    await this.#keep(0, stop);
    await Promise.all(this.#followers);
    return this.#stopped;
  }

  /** Keeps one lane: dials it, carries until it is over, waits, dials again. */
  async #keep(index: number, stop: AbortSignal): Promise<void> {
    const backoff = new Backoff(Math.random);
    while (!stop.aborted) {
      const dialled = await this.#dial(index, stop);
      const reached = dialled instanceof Lane;
      const fault = reached ? await this.#use(dialled, backoff, stop) : dialled;
      if (stop.aborted) return;
      if (!fault.retryable) {
        this.#stopped = fault;
        this.#stop.abort();
        return;
      }
      // The other process may stop at any time, and this relay tells when it has.
      const waits = fault.code === "superseded" && this.#features.includes(FEATURE_STANDBY);
      if (waits) this.#standby = true;
      const retryMs = backoff.next(performance.now(), waits ? 0 : fault.afterMs, reached ? "reached" : answerOf(fault));
      if (!this.connected) {
        // Without any lane, only lane 0 dials; the others follow it.
        if (index > 0) return;
        if (this.#isNew(fault)) this.#options.down(fault, retryMs);
      }
      await pause(retryMs, stop);
      if (index > 0 && !this.connected) return;
    }
  }

  /** Tells whether a fault was not reported within REPORT_MS: while the edge can't be reached, it is dialled every other second. */
  #isNew({ reason }: LinkFault): boolean {
    const now = performance.now();
    if (this.#reported.reason === reason && now - this.#reported.at < REPORT_MS) return false;
    this.#reported = { reason, at: now };
    return true;
  }

  /** Uses a lane as its WELCOME says: to renew, to stand by, or to carry. Resolves with why it ended. */
  async #use(lane: Lane, backoff: Backoff, stop: AbortSignal): Promise<LinkFault> {
    const { renew, standby, features } = lane.welcome;
    this.#features = features;
    if (renew === true) return renewOver(lane, this.#options.renew);
    if (standby !== true) {
      this.#standby = false;
      return this.#carry(lane, backoff, stop);
    }
    lane.start();
    this.#options.onStandby?.();
    const fault = await lane.closed;
    if (fault.retryable && fault.code === "draining") this.#standby = false;
    return fault;
  }

  #dial(index: number, stop: AbortSignal): Promise<Lane | LinkFault> {
    const { url, dialler, token, waiting, frame, drained } = this.#options;
    this.#live.dialling(index);
    const target = { url, dialler: dialler(), token: token(), hello: this.#hello(index) };
    const options = { ...target, waiting, frame, writable: this.#echoed };
    return dialLane(index === 0 && drained !== undefined ? { ...options, drained } : options, stop);
  }

  #hello(lane: number): Hello {
    const alone = !this.connected;
    return { ...this.#options.hello(), lane, ...(alone ? { alone } : {}), ...(this.#standby ? { standby: true } : {}) };
  }

  /** Carries a lane, and those that replace it, until none is left. */
  async #carry(first: Lane, backoff: Backoff, stop: AbortSignal): Promise<LinkFault> {
    const since = performance.now();
    const { index } = first;
    let lane = first;
    for (;;) {
      this.#time.set(lane.welcome.time);
      const arrival = this.#live.enter(index, lane);
      if (arrival === "first") {
        this.#reported = { reason: "", at: Number.NEGATIVE_INFINITY };
        this.#options.up(lane.welcome);
      }
      lane.start();
      if (arrival === "again") this.#options.lost(index, null);
      if (index === 0) this.#follow(stop);
      const over = await Promise.race([lane.closed, this.#replacement(lane, stop)]);
      if (over instanceof Lane) {
        // The edge closes the older lane; what was in flight on it is settled by RESUME.
        void lane[Symbol.asyncDispose]();
        lane = over;
        continue;
      }
      this.#live.leave(index);
      if (this.connected) this.#options.lost(index, over);
      // Lane 0 reports `down` when it dials again; the others report it here. After `stop`, nothing is dialled.
      else if (index > 0 && !stop.aborted) this.#options.down(over, 0);
      backoff.connectedFor(performance.now() - since);
      return over;
    }
  }

  /** Dials another lane, again and again, while a lane is suspected to be dead. Resolves only once there is one. */
  async #replacement(lane: Lane, stop: AbortSignal): Promise<Lane> {
    await lane.suspected;
    while (!stop.aborted && !lane.over) {
      if (lane.suspect) {
        const attempt = new AbortController();
        const timer = setTimeout(() => attempt.abort(), REDIAL_MS);
        let dialling = true;
        // Once dialled, the new lane outlives the one it replaces.
        void lane.closed.then(() => dialling && attempt.abort());
        const dialled = await this.#dial(lane.index, AbortSignal.any([stop, attempt.signal]));
        dialling = false;
        clearTimeout(timer);
        if (dialled instanceof Lane) return dialled;
      }
      await pause(SUSPECT_CHECK_MS, stop);
    }
    return new Promise(() => {});
  }

  #follow(stop: AbortSignal): void {
    for (let index = 1; index < LANES; index += 1) {
      if (!this.#live.has(index) && !this.#keptIndexes.has(index)) {
        this.#keptIndexes.add(index);
        this.#followers.push(this.#keep(index, stop).finally(() => this.#keptIndexes.delete(index)));
      }
    }
  }

  readonly #keptIndexes = new Set<number>();
}

/** Tells whether anything answered a dial that failed. */
function answerOf({ code }: LinkFault): "answered" | "unanswered" {
  return code === "unreachable" || code === "unresolved" || code === "proxy-unreachable" ? "unanswered" : "answered";
}

/** Renews an expired token over its lane, which serves for nothing else. Then the edge closes the lane, and it is dialled with the new token. */
async function renewOver(lane: Lane, ask: LanesOptions["renew"]): Promise<LinkFault> {
  lane.start();
  if (ask !== undefined) lane.send(ask());
  const timer = setTimeout(() => void lane[Symbol.asyncDispose](), RENEW_MS);
  const fault = await lane.closed;
  clearTimeout(timer);
  return fault;
}
