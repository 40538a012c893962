import { existsSync } from "node:fs";
import { unbracketed } from "../../link/dial/no-proxy.ts";
import { isSecure, portOf } from "../../link/dial/proxy.ts";
import { createLog } from "../../link/log.ts";
import { EXIT, Problem } from "../../link/problem.ts";
import { renewAt } from "../../shared/rule/token-life.ts";
import { clean } from "../../shared/text.ts";
import { runningAgents } from "../control/client.ts";
import { checkEdge, checkLane, checkSignature } from "../doctor/edge.ts";
import { fail, ok, skipped, warn, type Finding } from "../doctor/finding.ts";
import { checkConnect, checkName, checkProxy, checkTcp, checkTls, type FirstHop } from "../doctor/path.ts";
import { checkTarget, namedTargets } from "../doctor/targets.ts";
import type { AgentClaims } from "../../shared/rule/claims.ts";
import { openFilesLimit } from "../open-files.ts";
import { settingsOf, type Options, type Settings } from "../settings.ts";

export type DoctorOptions = Options & { target?: string[]; json?: boolean };

/** A limit on open files below this is too low for thousands of streams. */
const FEW_FILES = 4_096;
const INSTALLED = {
  config: "/etc/sallyport/agent.toml",
  token: "/etc/sallyport/agent.token",
  proxy: "/etc/sallyport/agent.proxy",
};

/** `agent doctor`: checks everything between a target and the edge, one line each. Resolves with the exit code. Throws Problem for wrong usage. */
export async function doctor(options: DoctorOptions, env: NodeJS.ProcessEnv): Promise<number> {
  const findings: Finding[] = [];
  const report = (found: Finding | Finding[]): void => {
    for (const finding of [found].flat()) {
      findings.push(finding);
      if (options.json !== true) process.stdout.write(lineOf(finding));
    }
  };
  await examine(options, env, report);
  if (options.json === true) process.stdout.write(`${JSON.stringify(findings, undefined, 2)}\n`);
  return findings.find(({ outcome }) => outcome === "fail")?.exit ?? EXIT.done;
}

async function examine(
  options: DoctorOptions,
  env: NodeJS.ProcessEnv,
  report: (found: Finding | Finding[]) => void,
): Promise<void> {
  let settings: Settings;
  try {
    settings = settingsOf(installed(options), env, createLog({ format: "pretty", level: "error", write: () => {} }));
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return report(fail("token", error.exit, error.message, error.fix));
  }
  const { source, claims, edge, dialler } = settings;
  report(descriptors());
  // The token expires by the edge's clock: this machine's may be wrong.
  let time: number | null = null;
  if (await isReached(settings, env, report)) {
    report(
      isSecure(edge)
        ? await checkTls(dialler, edge, Date.now())
        : warn("tls", "the connection to this edge is unencrypted", "use https:// unless the network is trusted"),
    );
    const answer = await checkEdge(dialler, edge, Date.now);
    report(answer.findings);
    time = answer.time;
    if (answer.findings[0]?.outcome === "ok") {
      report(await checkSignature(dialler, edge, source.token));
      report(await checkLane(dialler, edge, source.token));
    }
  }
  report(tokenLife(claims, time ?? Date.now()));
  const targets = new Set([
    ...(options.target ?? []),
    ...namedTargets(claims.targets),
    ...(await dialledTargets(env, claims)),
  ]);
  if (targets.size === 0)
    report(skipped("targets", "none is known: name them with --target HOST:PORT, or repeat this while the agent runs"));
  for (const found of await Promise.all([...targets].map((target) => checkTarget(target, settings)))) report(found);
}

/** Checks the path to the edge's port, hop by hop. Resolves with whether it is open. */
async function isReached(
  { edge, dialler }: Settings,
  env: NodeJS.ProcessEnv,
  report: (found: Finding) => void,
): Promise<boolean> {
  const proxy = dialler.proxyFor(edge);
  const own = { host: unbracketed(edge.hostname), port: portOf(edge) };
  const first: FirstHop = proxy === null ? { ...own, what: "edge" } : { ...proxy, what: "proxy" };
  report(checkProxy(proxy, env));
  const steps = [
    () => checkName(first),
    () => checkTcp(first),
    ...(proxy === null ? [] : [() => checkConnect(dialler, edge)]),
  ];
  for (const step of steps) {
    const found = await step();
    report(found);
    if (found.outcome !== "ok") return false;
  }
  return true;
}

/** Returns the options; if there are none, those of the service that `agent install` made. */
function installed(options: DoctorOptions): Options {
  const { target: _target, json: _json, ...given } = options;
  const isBare = Object.keys(given).length === 0;
  if (!isBare || !existsSync(INSTALLED.config)) return given;
  const proxy = existsSync(INSTALLED.proxy) ? { proxyFile: INSTALLED.proxy } : {};
  return { config: INSTALLED.config, tokenFile: INSTALLED.token, ...proxy };
}

function tokenLife(claims: AgentClaims, now: number): Finding {
  const { site, exp, jti } = claims;
  const until = new Date(exp * 1000).toISOString().slice(0, 10);
  const what = `${jti} for ${site}, until ${until}, targets ${claims.targets.join(" ")}`;
  if (exp * 1000 < now)
    return fail("token", EXIT.token, `${what}: expired`, "issue a new one: sallyport token agent SITE");
  if (renewAt(claims) * 1000 < now)
    return warn(
      "token",
      `${what}: past two thirds of its life`,
      "a running agent renews it; if it can't, issue a new one",
    );
  return ok("token", what);
}

function descriptors(): Finding {
  const limit = openFilesLimit() ?? Number.POSITIVE_INFINITY;
  if (limit < FEW_FILES)
    return warn(
      "files",
      `this shell allows ${limit} open files`,
      "the unit of agent install allows enough; else: ulimit -n 65536",
    );
  return ok("files", `${limit === Number.POSITIVE_INFINITY ? "any number of" : limit} files may be open`);
}

/** Asks this agent, if it runs, for the targets it has dialled. */
async function dialledTargets(env: NodeJS.ProcessEnv, { site, sub }: AgentClaims): Promise<string[]> {
  try {
    const agents = await runningAgents(env, site);
    // A site of another edge may have the same name; an agent of an earlier version does not list its targets.
    return agents.flatMap(({ report }) => (report.identity === sub ? (report.dialled ?? []) : []));
  } catch (error) {
    if (error instanceof Problem) return [];
    throw error;
  }
}

function lineOf({ check, outcome, detail, fix }: Finding): string {
  const word = { ok: "ok", warn: "WARN", fail: "FAIL", skipped: "-" }[outcome];
  const line = `${word.padEnd(5)} ${check}: ${clean(detail, 400)}\n`;
  return fix === "" ? line : `${line}      fix: ${clean(fix, 400)}\n`;
}
