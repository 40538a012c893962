import { Backoff } from "../shared/backoff.ts";
import type { AgentClaims } from "../shared/claims.ts";
import { encodeControl } from "../shared/control.ts";
import type { Failure } from "../shared/errors.ts";
import { TYPE } from "../shared/frame.ts";
import { DIALS_IN_FLIGHT, DRAIN_MS } from "../shared/limits.ts";
import type { Dial } from "../shared/open.ts";
import type { Stream } from "../shared/stream.ts";
import { PROTOCOL, VERSION } from "../shared/version.ts";
import type { LinkFault } from "../link/fault.ts";
import { dialLane, type Lane } from "../link/lane.ts";
import type { Log } from "../link/log.ts";
import { serveTcp } from "./egress/tcp.ts";
import type { TargetPolicy } from "./policy.ts";
import { Sessions } from "./sessions.ts";

const TICK_MS = 1_000;

export type AgentOptions = {
  /** `wss://host` or, on loopback, `ws://host:port`. */
  edge: URL;
  token: () => string;
  claims: AgentClaims;
  incarnation: string;
  policy: TargetPolicy;
  log: Log;
  /** Aborted: stop taking new streams and finish. */
  drain: AbortSignal;
  /** Aborted: stop now. */
  stop: AbortSignal;
};

/** What an agent is doing, for `agent status`. */
export type AgentState = {
  connected: boolean;
  since: number | null;
  lastFault: string | null;
  streams: () => number;
  rtt: () => number | null;
};

/**
 * The life of an agent: dial, serve until the lane is over, wait, dial again; until it is told to stop.
 * Answers null when it stopped in order, else the fault that makes going on useless.
 */
export async function runAgent(options: AgentOptions, state: AgentState): Promise<(LinkFault & { retryable: false }) | null> {
  const { log, drain, stop } = options;
  const backoff = new Backoff(Math.random);
  let lane: Lane | undefined;
  let dialling = 0;
  let announced = false;

  const sessions = new Sessions({
    send: (frame) => lane?.send(frame),
    room: () => lane?.room ?? false,
    dial: (stream, request) => void serve(stream, request),
  });
  async function serve(stream: Stream, request: Dial): Promise<void> {
    if (drain.aborted) return stream.reject("no-agent", "this agent is shutting down");
    if (dialling >= DIALS_IN_FLIGHT) return stream.reject("busy", `${DIALS_IN_FLIGHT} dials are in flight`);
    sessions.track(stream, request);
    dialling += 1;
    const failure = await serveTcp(stream, request, options.policy, () => (dialling -= 1));
    sessions.untrack(stream);
    if (failure !== null) logFailure(log, request, failure);
  }
  state.streams = () => sessions.streams;
  state.rtt = () => lane?.rtt ?? null;

  const tick = setInterval(() => sessions.tick(), TICK_MS);
  try {
    while (!stop.aborted && !drain.aborted) {
      const dialled = await dialLane(
        {
          url: new URL("/.sallyport/agent", options.edge),
          token: options.token(),
          hello: { protocol: PROTOCOL, kind: "agent", incarnation: options.incarnation, lane: 0, version: VERSION, features: [] },
          waiting: () => sessions.waiting,
          frame: (frame) => sessions.receive(frame),
          room: () => sessions.pump(),
        },
        stop,
      );
      let fault: LinkFault;
      if ("retryable" in dialled) {
        fault = dialled;
      } else {
        lane = dialled;
        const { welcome } = lane;
        sessions.welcome(welcome.boot, welcome.budget);
        state.connected = true;
        state.since = Date.now();
        log("info", "connected", { edge: options.edge.origin, site: welcome.site, slot: welcome.slot });
        if (!announced) log("info", "ready", { site: welcome.site });
        announced = true;
        fault = await served(lane, options, sessions);
        lane = undefined;
        state.connected = false;
        backoff.stood(Date.now() - (state.since ?? 0));
        state.since = Date.now();
        sessions.suspend();
      }
      if (stop.aborted || drain.aborted) break;
      if (!fault.retryable) return fault;
      state.lastFault = fault.reason;
      const wait = backoff.next(performance.now(), fault.afterMs, !("retryable" in dialled));
      log("warn", "not connected", { reason: fault.reason, retryInMs: wait });
      await pause(wait, AbortSignal.any([stop, drain]));
    }
    return null;
  } finally {
    clearInterval(tick);
    sessions.close({ code: "lost", reason: "the agent stopped" });
  }
}

/** Resolves when the lane is over; on `drain`, lets open streams finish first. */
async function served(lane: Lane, options: AgentOptions, sessions: Sessions): Promise<LinkFault> {
  const { drain, stop, log } = options;
  const drained = new Promise<void>((resolve) => {
    const begin = async (): Promise<void> => {
      lane.send(encodeControl(TYPE.GOAWAY, { code: "draining", reason: "the agent is shutting down" }, DRAIN_MS));
      log("info", "draining", { streams: sessions.streams });
      const end = AbortSignal.any([stop, AbortSignal.timeout(DRAIN_MS)]);
      while (sessions.streams > 0 && !end.aborted) await pause(50, end);
      resolve();
    };
    if (drain.aborted) void begin();
    else drain.addEventListener("abort", () => void begin(), { once: true });
  });
  const over = await Promise.race([lane.closed, drained]);
  if (over !== undefined) return over;
  sessions.close({ code: "lost", reason: "the agent stopped" });
  await lane[Symbol.asyncDispose]();
  return lane.closed;
}

function logFailure(log: Log, request: Dial, failure: Failure): void {
  log("info", "stream ended early", { endpoint: request.endpoint, target: request.target, visitor: request.visitor, code: failure.code, reason: failure.reason });
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
  });
}
