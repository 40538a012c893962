import { callApi, type Method } from "../../link/api.ts";
import { createLog, type Log } from "../../link/log.ts";
import { pause } from "../../link/pause.ts";
import { EXIT, Problem } from "../../link/problem.ts";
import { parseTarget } from "../../shared/address/target.ts";
import { runningAgents } from "../control/client.ts";
import { judge, mayConnect, type TargetPolicy } from "../policy.ts";
import { remedyOf } from "../remedy.ts";
import { logSettings, merged, settingsOf, type Options, type Settings } from "../settings.ts";
import { run } from "./run.ts";

export type ExposeOptions = Options & { at?: string };

/** Milliseconds between renewals: the edge removes the mapping after five minutes without one. */
const RENEW_MS = 100_000;
const RETRY_MS = 5_000;

/** `agent expose TARGET [--at E]`: makes a mapping until Ctrl-C. Also runs the agent, if none of this site runs on this machine. Throws Problem. */
export async function expose(target: string, options: ExposeOptions, env: NodeJS.ProcessEnv): Promise<void> {
  const { at, ...flags } = options;
  const logging = logSettings(merged(flags));
  const log = createLog({
    format: logging.log,
    level: logging.logLevel,
    write: (line) => void process.stderr.write(line),
  });
  const settings = settingsOf(flags, env, log);
  const endpoint = at ?? onlyEndpoint(settings);
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => stop.abort());
  const isServed = await isRunning(env, settings);
  // An agent that already runs has rules of its own.
  const reason = isServed ? undefined : await denialOf(target, settings);
  if (reason !== undefined) throw new Problem(EXIT.denied, "target-denied", reason, remedyOf("target-denied"));
  await call(settings, "PUT", "", { endpoint, target });
  process.stdout.write(`${endpoint} leads to ${target} until Ctrl-C\n`);
  try {
    await Promise.all([keep(settings, endpoint, target, stop.signal, log), isServed ? undefined : run(flags, env)]);
  } finally {
    await call(settings, "DELETE", `/${encodeURIComponent(endpoint)}`);
  }
}

/** Returns why token or rules forbid a target; undefined if they permit it, or if this is only known once a visitor comes. */
async function denialOf(text: string, policy: TargetPolicy): Promise<string | undefined> {
  const target = parseTarget(text);
  // The edge, which is asked next, reports what is wrong with it.
  if (!target.ok) return undefined;
  if ("path" in target.value)
    return mayConnect(policy, target.value.path) ? undefined : `${text} is not in the agent's --allow`;
  const { host } = target.value;
  const judged = await judge(policy, host, target.value.kind === "http" ? target.value.port : target.value.first);
  return judged.ok || judged.failure.code !== "target-denied" ? undefined : judged.failure.reason;
}

/** Renews the mapping regularly, until `stop` aborts. */
async function keep(settings: Settings, endpoint: string, target: string, stop: AbortSignal, log: Log): Promise<void> {
  let delay = RENEW_MS;
  for (;;) {
    await pause(delay, stop);
    if (stop.aborted) return;
    delay = await call(settings, "PUT", "", { endpoint, target }).then(
      () => RENEW_MS,
      (error: unknown) => {
        log("warn", "the mapping was not renewed", {
          reason: error instanceof Error ? error.message : String(error),
          retryInMs: RETRY_MS,
        });
        return RETRY_MS;
      },
    );
  }
}

/** Tells whether an agent on this machine already serves this site; a site of another edge may have the same name. */
async function isRunning(env: NodeJS.ProcessEnv, { claims, edge }: Settings): Promise<boolean> {
  try {
    const agents = await runningAgents(env, claims.site);
    return agents.some(({ report }) => report.edge === originOf(edge));
  } catch (error) {
    if (error instanceof Problem) return false;
    throw error;
  }
}

function onlyEndpoint({ claims }: Settings): string {
  const [only, ...more] = claims.publish ?? [];
  if (only === undefined)
    throw new Problem(
      EXIT.denied,
      "not-published",
      "this token may not make mappings",
      "use one that may: sallyport token agent SITE --publish ENDPOINT",
    );
  if (more.length === 0 && !only.includes("*")) return only;
  throw Problem.usage(
    "endpoint-missing",
    `this token may publish ${[only, ...more].join(", ")}`,
    "choose one: --at ENDPOINT",
  );
}

async function call({ edge, dialler, source }: Settings, method: Method, path: string, body?: object): Promise<void> {
  await callApi(dialler, originOf(edge), { method, path: `/expose${path}`, token: source.token, body });
}

function originOf(edge: URL): string {
  return edge.origin.replace(/^ws/, "http");
}
