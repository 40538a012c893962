import { randomBytes } from "node:crypto";
import type { Dialler } from "../../link/dial/dialler.ts";
import { createLog, type Level, type Log } from "../../link/log.ts";
import { serveMetrics } from "../../link/metrics-server.ts";
import { EXIT, Problem } from "../../link/problem.ts";
import { keepToken } from "../../link/token-store.ts";
import type { AgentClaims } from "../../shared/rule/claims.ts";
import { formatHostPort, formatSocketAddress } from "../../shared/address/socket-address.ts";
import { formatTargetRule } from "../../shared/address/target-rule.ts";
import { VERSION } from "../../shared/wire/version.ts";
import { controlPath } from "../control/socket-path.ts";
import type { AgentReport } from "../control/report.ts";
import { serveControl } from "../control/server.ts";
import { Counters } from "../counters.ts";
import { observed } from "../metrics.ts";
import type { TargetPolicy } from "../policy.ts";
import { runAgent, type AgentState } from "../run.ts";
import { logSettings, merged, settingsOf, type Options, type Settings } from "../settings.ts";

/** `agent --token-file F …`: serves a site until a signal stops it. Throws Problem. */
export async function run(flags: Options, env: NodeJS.ProcessEnv): Promise<void> {
  const agent = new RunningAgent(flags, env);
  const { drain, stop } = stopSignals();
  process.on("SIGHUP", () => agent.tryReload());
  await using _metrics = await agent.serveMetrics();
  await using _control = await agent.serveControl();
  drain.addEventListener("abort", () => (agent.draining = true));
  const { settings, policy, counters, log } = agent;
  const { edge } = settings;
  const incarnation = randomBytes(16).toString("hex");
  const token = (): string => agent.settings.source.token;
  const claims = (): AgentClaims => agent.settings.claims;
  const dialler = (): Dialler => agent.settings.dialler;
  const keep = (renewed: string, successor: AgentClaims): void => agent.keep(renewed, successor);
  const options = { edge, dialler, token, claims, keep, incarnation, policy, counters, log, drain, stop };
  const fault = await runAgent(options, agent.state);
  if (fault !== null)
    throw new Problem(fault.code === "incompatible" ? EXIT.failed : EXIT.token, fault.code, fault.reason, fault.fix);
  agent.log("info", "stopped");
}

/** The first signal drains, the second stops at once. */
function stopSignals(): { drain: AbortSignal; stop: AbortSignal } {
  const drain = new AbortController();
  const stop = new AbortController();
  const signalled = (): void => (drain.signal.aborted ? stop : drain).abort();
  process.on("SIGTERM", signalled);
  process.on("SIGINT", signalled);
  return { drain: drain.signal, stop: stop.signal };
}

/** An agent that runs: its settings, which a reload replaces, and its state. */
class RunningAgent {
  settings: Settings;
  draining = false;
  readonly policy: TargetPolicy;
  readonly counters = new Counters();
  readonly state: AgentState = {
    connected: false,
    since: null,
    lastFault: null,
    streams: () => 0,
    rtt: () => null,
    rulesChanged: () => undefined,
  };
  readonly #flags: Options;
  readonly #env: NodeJS.ProcessEnv;
  #log: Log;
  #metrics: string | null = null;

  constructor(flags: Options, env: NodeJS.ProcessEnv) {
    this.#flags = flags;
    this.#env = env;
    this.#log = logTo(logSettings(merged(flags)));
    this.settings = settingsOf(flags, env, this.log);
    const { claims, allow, deny } = this.settings;
    this.policy = { claims, allow, deny };
  }

  readonly log: Log = (level, message, fields) => this.#log(level, message, fields);

  /** Serves metrics, if `--metrics` is given. Throws Problem. */
  async serveMetrics(): Promise<AsyncDisposable | null> {
    const { metrics } = this.settings;
    if (metrics === null) return null;
    const server = await serveMetrics(metrics, () => observed(this.report()));
    this.#metrics = formatHostPort(metrics.address.text, server.port);
    this.log("info", "metrics", { url: `http://${this.#metrics}/metrics` });
    return server;
  }

  /** Opens the control socket. If that fails, it logs a warning and the agent runs without. */
  async serveControl(): Promise<AsyncDisposable | null> {
    try {
      const path = controlPath(this.#env, this.settings.claims.site, process.pid);
      return await serveControl(path, { report: () => this.report(), reload: () => this.reload() });
    } catch (error) {
      const { message } = error as Error;
      this.log("warn", "no control socket: agent status, ready and reload won't find this agent", { reason: message });
      return null;
    }
  }

  /** Reads configuration and token again. Open streams go on; new ones follow the new rules. Returns what has changed. Throws Problem. */
  reload(): string[] {
    if (this.#flags.token === "-")
      throw Problem.usage("token-stdin", "the token came from standard input, which is read once", "use --token-file");
    const before = this.settings;
    const after = settingsOf(this.#flags, this.#env, this.log);
    if (after.claims.site !== before.claims.site) {
      throw Problem.configuration(
        "site-changed",
        `the token is now for the site ${after.claims.site}, not for ${before.claims.site}`,
        "restart the agent to serve another site",
      );
    }
    if (after.edge.href !== before.edge.href) {
      throw Problem.configuration(
        "edge-changed",
        `the edge is now ${after.edge.origin}`,
        "restart the agent to serve another edge",
      );
    }
    this.settings = after;
    const { claims, allow, deny } = after;
    Object.assign(this.policy, { claims, allow, deny });
    this.state.rulesChanged();
    this.#log = logTo(after);
    const changed = changes(before, after);
    this.log("info", "reloaded", { changed });
    return changed;
  }

  /** Uses a renewed token from now on, and stores it for the next start. */
  keep(token: string, claims: AgentClaims): void {
    const { source } = this.settings;
    this.settings = { ...this.settings, source: { ...source, token }, claims };
    this.policy.claims = claims;
    const kept = keepToken(token, claims.sub, source.file, this.#env);
    const expires = new Date(claims.exp * 1000).toISOString();
    if (kept.at !== "memory") this.log("info", "token renewed", { jti: claims.jti, expires, file: kept.path });
    else
      this.log("warn", "token renewed, but it can't be stored: give the agent a token file or a state directory", {
        jti: claims.jti,
        expires,
        reason: kept.reason,
      });
  }

  /** Reloads on SIGHUP. A mistake is logged, and changes nothing. */
  tryReload(): void {
    try {
      this.reload();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.log("error", "not reloaded", { code: error.code, reason: error.message, fix: error.fix });
    }
  }

  report(): AgentReport {
    const { settings, state, counters } = this;
    const { claims, source } = settings;
    return {
      state: this.draining ? "draining" : state.connected ? "connected" : "connecting",
      since: state.since === null ? null : new Date(state.since).toISOString(),
      site: claims.site,
      identity: claims.sub,
      edge: settings.edge.origin.replace(/^ws/, "http"),
      version: VERSION,
      pid: process.pid,
      started: new Date(counters.started).toISOString(),
      rtt: state.rtt(),
      lastFault: state.lastFault,
      token: { jti: claims.jti, expires: new Date(claims.exp * 1000).toISOString(), file: source.file },
      targets: [...claims.targets],
      allow: settings.allow.map(formatTargetRule),
      deny: settings.deny.map(formatTargetRule),
      config: this.#flags.config ?? null,
      metrics: this.#metrics,
      streams: counters.open,
      kinds: counters.kinds,
      failures: Object.fromEntries(counters.failures),
      connects: counters.connects,
      drops: { ...counters.drops },
      dialled: [...counters.dialled],
    };
  }
}

function logTo({ log, logLevel }: { log: "pretty" | "json"; logLevel: Level }): Log {
  return createLog({ format: log, level: logLevel, write: (line) => void process.stderr.write(line) });
}

/** Lists what a reload changed, by the names of the flags. */
function changes(before: Settings, after: Settings): string[] {
  const texts = ({ source, edge, dialler, allow, deny, metrics, log, logLevel }: Settings): Record<string, string> => ({
    token: source.token,
    proxy: JSON.stringify(dialler.proxyFor(edge)),
    ca: dialler.trust.extra.join(""),
    allow: allow.map(formatTargetRule).join(" "),
    deny: deny.map(formatTargetRule).join(" "),
    log,
    "log-level": logLevel,
    "metrics (needs a restart)": metrics === null ? "" : formatSocketAddress(metrics),
  });
  const now = texts(after);
  return Object.entries(texts(before))
    .filter(([name, value]) => now[name] !== value)
    .map(([name]) => name);
}
