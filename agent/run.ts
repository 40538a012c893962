import { AgentSessions } from "../shared/session/agent-sessions.ts";
import type { AgentClaims } from "../shared/rule/claims.ts";
import { encodeControl } from "../shared/wire/control.ts";
import type { Failure } from "../shared/wire/errors.ts";
import { TYPE } from "../shared/wire/frame.ts";
import { DEAD_MS, DIALS_IN_FLIGHT, DRAIN_MS, MAX_DATA } from "../shared/wire/limits.ts";
import type { Dial } from "../shared/wire/open.ts";
import { TICK_MS } from "../shared/session/session.ts";
import { FairLimit } from "../shared/fair-limit.ts";
import type { Stream } from "../shared/session/stream.ts";
import { PROTOCOL, VERSION } from "../shared/wire/version.ts";
import type { Dialler } from "../link/dial/dialler.ts";
import { logLoss, logFields, type FatalFault } from "../link/fault.ts";
import { Lanes } from "../link/lanes.ts";
import type { Log } from "../link/log.ts";
import { pause } from "../link/pause.ts";
import { sessionIo } from "../link/session-io.ts";
import { TokenRenewal } from "../link/token-renewal.ts";
import type { Counters } from "./counters.ts";
import { decodeDialOptions, type DialOptions } from "../shared/wire/dial-options.ts";
import { DatagramQueue } from "../shared/session/flow.ts";
import { Admission } from "./admission.ts";
import { HttpPools } from "./egress/http-pools.ts";
import { serveHttp } from "./egress/http.ts";
import { serveTcp } from "./egress/tcp.ts";
import { UdpEgress } from "./egress/udp.ts";
import { OpenFilesWarning } from "./open-files.ts";
import { LoopDetector } from "./loop-detector.ts";
import { MappingPacers } from "./mapping-pacers.ts";
import { helloReach, type TargetPolicy } from "./policy.ts";
import { serveProbe } from "./probe/probe.ts";
import { reportOf, type Traffic } from "./report.ts";

const DRAIN_POLL_MS = 50;
/** How long after GOAWAY the agent still accepts streams, which the edge may have sent before it got it: round trips, and milliseconds at least. */
const LINGER_ROUND_TRIPS = 3;
const LINGER_MS = 250;

export type AgentOptions = {
  /** `wss://host` or, on loopback, `ws://host:port`. */
  edge: URL;
  dialler: () => Dialler;
  token: () => string;
  claims: () => AgentClaims;
  /** Uses a renewed token from now on, and stores it. */
  keep: (token: string, claims: AgentClaims) => void;
  incarnation: string;
  policy: TargetPolicy;
  counters: Counters;
  log: Log;
  /** Aborted: the agent takes no new streams, and lets open ones finish. */
  drain: AbortSignal;
  /** Aborted: the agent stops at once. */
  stop: AbortSignal;
};

/** What an agent is doing, for `agent status`. */
export type AgentState = {
  connected: boolean;
  since: number | null;
  lastFault: string | null;
  streams: () => number;
  rtt: () => number | null;
  /** Tells the edge that this agent's own rules have changed. */
  rulesChanged: () => void;
};

/**
 * Runs an agent: keeps lanes to the edge and serves the streams that come over them, until it is stopped.
 * Resolves with null when it stopped in order, else with the fault that no retry fixes.
 */
export async function runAgent(options: AgentOptions, state: AgentState): Promise<FatalFault | null> {
  const { edge, counters, log, drain, stop } = options;
  const over = new AbortController();
  const pools = new HttpPools(options.policy);
  const admission = new Admission();
  const pacers = new MappingPacers();
  const loops = new LoopDetector();
  const files = new OpenFilesWarning(log);
  /** Dials in flight by mapping: a target that does not answer must not keep other mappings from being dialled. */
  const dials = new FairLimit<number>(DIALS_IN_FLIGHT);
  let isReady = false;
  let isClosing = false;

  const lanes = new Lanes({
    url: new URL("/.sallyport/agent", edge),
    dialler: options.dialler,
    token: options.token,
    hello: () => ({
      protocol: PROTOCOL,
      kind: "agent",
      incarnation: options.incarnation,
      version: VERSION,
      frameBytes: MAX_DATA,
      features: [],
      reach: helloReach(options.policy),
    }),
    renew: () => renewal.ask(Date.now()),
    waiting: () => sessions.waiting,
    frame: (frame) => (frame.type === TYPE.RENEW ? renewal.answered(frame, Date.now()) : sessions.receive(frame)),
    writable: () => sessions.pump(),
    drained: () => datagrams.flush(),
    up: (welcome) => {
      sessions.welcome(welcome);
      Object.assign(state, { connected: true, since: Date.now() });
      counters.connects += 1;
      log("info", "connected", { edge: edge.origin, site: welcome.site, slot: welcome.slot });
      if (!isReady) log("info", "ready", { site: welcome.site });
      isReady = true;
    },
    lost: (lane, fault) => {
      logLoss(log, fault, { lane });
      sessions.lost();
    },
    onStandby: () => {
      const reason = "another process serves with this token; this one takes over when that one is gone";
      Object.assign(state, { lastFault: reason });
      log("warn", "stands by", { reason, fix: "give each agent a token of its own: sallyport token agent SITE" });
    },
    down: (fault, retryInMs) => {
      sessions.suspend();
      Object.assign(state, { connected: false, since: Date.now(), lastFault: fault.reason });
      log("warn", "not connected", { ...logFields(fault), retryInMs });
    },
  });
  const sessions = new AgentSessions({
    io: sessionIo(lanes),
    dial: (stream, request) => void serve(stream, request),
    drained: () => datagrams.flush(),
    cut: (cut) => admission.cut(cut),
  });
  const renewal = new TokenRenewal({ ...options, kind: "agent" });
  const datagrams = new DatagramQueue(
    () => lanes.queued(0),
    () => performance.now(),
    counters.drops,
  );
  const udp = new UdpEgress({
    policy: options.policy,
    queue: datagrams,
    proved: (visitor) => admission.isProved(visitor),
  });
  async function serve(stream: Stream, request: Dial): Promise<void> {
    const dialOptions = decodeDialOptions(request.options);
    if (isClosing) return stream.reject("no-agent", "this agent is shutting down");
    if (dialOptions === undefined) return stream.reject("internal", "the options of this DIAL are malformed");
    if (!dials.acquire(request.mapping))
      return stream.reject(
        "busy",
        `too many dials in flight: ${dials.heldBy(request.mapping)} of ${dials.inUse} are for this mapping`,
      );
    let ownAddress: string | undefined;
    const passes = loops.passes(request.kind, request.visitor, request.endpoint);
    const dialled = (local?: string): void => {
      dials.release(request.mapping);
      ownAddress = local;
      if (local) loops.add(request.kind, local, request.target, passes);
    };
    const at = lanes.edgeTime ?? Date.now();
    const began = performance.now();
    const traffic = { bytesIn: 0, bytesOut: 0 };
    counters.opened(stream, request, traffic);
    const pace = pacers.enter(request.mapping, dialOptions.bytesPerSecond);
    stream.pacers = pace;
    const refusal = admission.enter(stream, request, dialOptions) ?? (loops.isLoop(passes) ? loopOf(request) : null);
    const failure = await (refusal === null
      ? carry(stream, request, dialOptions, traffic, dialled)
      : refuse(stream, refusal, dialled));
    admission.leave(stream);
    pacers.leave(request.mapping, pace);
    if (ownAddress) loops.delete(request.kind, ownAddress, request.target);
    counters.ended(stream, failure);
    // The relay itself records the streams of the edge's own visitors.
    if (dialOptions.report === true) {
      const life = { at, ms: Math.round(performance.now() - began) };
      lanes.send(encodeControl(TYPE.REPORT, reportOf(stream, request, life, traffic, failure)), 0);
    }
    logStreamEnd(log, request, failure);
    files.onStreamEnd(failure, performance.now());
  }
  function carry(
    stream: Stream,
    request: Dial,
    dialOptions: DialOptions,
    traffic: Traffic,
    dialled: (local?: string) => void,
  ): Promise<Failure | null> {
    if (dialOptions.probe === true) return serveProbe(stream, request, options.policy, dialled);
    switch (request.kind) {
      case "http":
        return serveHttp(stream, request, pools, dialled);
      case "udp":
        return udp.serve(stream, request, dialOptions, traffic, dialled);
      case "tcp":
        return serveTcp(stream, request, dialOptions, options.policy, dialled);
    }
  }
  function loopOf({ target }: Dial): Failure {
    return { code: "loop", reason: `${target} leads back to this endpoint: the visitor is this agent` };
  }
  Object.assign(state, {
    streams: () => sessions.streams,
    rtt: () => lanes.rtt,
    rulesChanged: () => lanes.resendHello(),
  });

  /** Sends GOAWAY, accepts the streams that are already on their way, lets open streams finish for DRAIN_MS at most, then ends. */
  async function drained(): Promise<void> {
    lanes.send(encodeControl(TYPE.GOAWAY, { code: "draining", reason: "the agent is shutting down" }, DRAIN_MS), 0);
    log("info", "draining", { streams: sessions.streams });
    udp.drain();
    const end = AbortSignal.any([stop, AbortSignal.timeout(DRAIN_MS)]);
    await lanes.delivered(0, end);
    if (lanes.connected) await pause(Math.max(LINGER_MS, LINGER_ROUND_TRIPS * (lanes.rtt ?? 0)), end);
    isClosing = true;
    while (sessions.streams > 0 && !end.aborted) await pause(DRAIN_POLL_MS, end);
    over.abort();
  }
  drain.addEventListener("abort", () => void drained(), { once: true });
  const tick = setInterval(() => {
    sessions.tick();
    // Neither a client without power nor a hibernating relay sends anything: without this, streams would wait for ever.
    if (sessions.streams > 0 && lanes.silentMs >= DEAD_MS) sessions.wakeRelay();
    // Grants and tokens expire by the edge's clock, not by this machine's.
    const now = lanes.edgeTime;
    if (now === undefined) return;
    admission.sweep(now);
    const renew = lanes.connected ? renewal.due(now) : undefined;
    if (renew !== undefined) lanes.send(renew, 0);
  }, TICK_MS);
  try {
    return await lanes.run(AbortSignal.any([stop, over.signal]));
  } finally {
    clearInterval(tick);
    sessions.close({ code: "lost", reason: "the agent stopped" });
  }
}

function refuse(stream: Stream, failure: Failure, dialled: () => void): Failure {
  dialled();
  stream.reject(failure.code, failure.reason);
  return failure;
}

/** Logs one line for each stream, under the name that it also has in `sallyport log`. */
function logStreamEnd(log: Log, { ref, endpoint, target, visitor }: Dial, failure: Failure | null): void {
  const what = { stream: ref, endpoint, target, visitor };
  if (failure === null) log("debug", "stream ended", what);
  else log("info", "stream ended early", { ...what, code: failure.code, reason: failure.reason });
}
