import { readFileSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { loopback } from "../../test/support/net.ts";
import { execute, run, type Run } from "../../test/support/run.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import { SYSTEM_NODE } from "../../scripts/tool.ts";
import { administrator, type Api } from "../harness/api.ts";
import { type Adapter, type Targets } from "../harness/peer.ts";

const SITE = "bench";
const READY = /"msg":"ready"/;

export interface Setup {
  /** Folder of the built programs. */
  readonly dist: string;
  /** More words for `serve`. */
  readonly serve?: readonly string[];
  /** Another workerd to start than the one that is installed. */
  readonly workerd?: string;
  /** Node's own options for the agent. */
  readonly node?: readonly string[];
  /** Where the edge listens when that is not its own loopback address. */
  readonly listen?: string;
  /** Words before an agent's command that make it run elsewhere. */
  readonly within?: readonly string[];
  /** Where agents dial instead of the edge itself: a link that is slow or breaks. */
  readonly through?: (edge: string) => Promise<string>;
}

/** An edge on this machine, as a user starts it. */
export interface Edge {
  readonly host: string;
  readonly workerd: number;
  /** The launcher, in which the gateway runs too. */
  readonly serve: Run;
  readonly api: Api;
  /** Runs `sallyport` with these words. Throws with what it said when it fails. */
  readonly cli: (...words: readonly string[]) => Promise<string>;
  /** Makes a site with these rules, endpoint → target, and starts its agent. */
  readonly join: (site: string, rules: Targets) => Promise<Run>;
}

/** An edge and an agent. */
export interface Sallyport extends Edge {
  readonly at: Targets;
  readonly agent: Run;
}

/** Starts an edge that owns a port for each target, and an agent. */
export async function startSallyport(targets: Targets, setup: Setup, stack: AsyncDisposableStack): Promise<Sallyport> {
  const ports = new Map(Object.keys(targets).map((name, index) => [name, 8000 + index]));
  const serve = ["--tcp", [...ports.values()].join(","), ...(setup.serve ?? [])];
  const edge = await startEdge({ ...setup, serve }, stack);
  const rules = Object.entries(targets).map(([name, target]) => [`${ports.get(name)}/tcp`, target]);
  const agent = await edge.join(SITE, Object.fromEntries(rules) as Targets);
  return { ...edge, at: Object.fromEntries([...ports].map(([name, port]) => [name, `${edge.host}:${port}`])), agent };
}

/** Starts an edge that owns the ports that `setup.serve` says. Sites are made over its API: a program for each step would take seconds. */
export async function startEdge(setup: Setup, stack: AsyncDisposableStack): Promise<Edge> {
  const folder = stack.use(await tempDir());
  const host = loopback();
  const data = path.join(folder.path, "edge");
  const env = {
    SALLYPORT_CONFIG_DIR: path.join(folder.path, "config"),
    SALLYPORT_EDGE: undefined,
    SALLYPORT_ADMIN_TOKEN: undefined,
    ...(setup.workerd === undefined ? {} : { SALLYPORT_WORKERD: setup.workerd }),
  };
  const sallyportJs = path.join(setup.dist, "sallyport.js");
  const { listen = host, within = [] } = setup;
  const where = ["--data", data, "--listen", `${listen}:8787`, "--bind", host, ...(setup.serve ?? [])];
  const serve = stack.use(run(SYSTEM_NODE, [sallyportJs, "serve", ...where, "--log", "json"], { env }));
  await serve.until(READY);
  const { pid } = JSON.parse(readFileSync(path.join(data, "run/workerd.pid"), "utf8")) as { pid: number };
  const secret = path.join(data, "admin-secret");
  const api = await administrator(`http://${listen}:8787`, (await readFile(secret, "utf8")).trim());
  const command = async (...words: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await execute(SYSTEM_NODE, [sallyportJs, ...words], { env });
    if (code !== 0) throw new Error(`sallyport ${words.slice(0, 2).join(" ")}: ${stderr.trim() || `exit ${code}`}`);
    return stdout.trim();
  };
  let login: Promise<string> | undefined;
  const dial = await setup.through?.(`${listen}:8787`);
  const agents: Run[] = [];
  return {
    host,
    workerd: pid,
    serve,
    api,
    cli: async (...words) => {
      await (login ??= command("login", `http://${listen}:8787`, "--secret-file", secret));
      return command(...words);
    },
    join: async (site, rules) => {
      await api("POST", "/sites", { name: site });
      const mappings = Object.entries(rules).map(([endpoint, target]) => ({ endpoint, site, target }));
      await api("PUT", "/mappings", { mappings, keep: true, dryRun: false });
      const order = { kind: "agent", site, local: true, targets: ["127.0.0.0/8:1-65535"] };
      const { token } = await api<{ token: string }>("POST", "/tokens", order);
      const file = path.join(folder.path, `token-${site}`);
      await writeFile(file, token, { mode: 0o600 });
      const [first = "", ...before] = [...within, SYSTEM_NODE, ...(setup.node ?? [])];
      const url = `http://${dial ?? `${listen}:8787`}`;
      const options = [
        "--token-file",
        file,
        "--edge",
        url,
        ...(listen === host ? [] : ["--insecure"]),
        "--log",
        "json",
      ];
      const agent = run(first, [...before, path.join(setup.dist, "agent.js"), ...options], { env });
      // In the end all are told at once: each takes a third of a second to go.
      agents.push(stack.use(agent));
      stack.defer(() => agents.splice(0).forEach((each) => each.kill("SIGTERM")));
      await agent.until(READY);
      return agent;
    },
  };
}

/** This program as a peer; `name` and `dist` differ when a change is compared with what was before. */
export function sallyport(name: string, dist: string): Adapter {
  return {
    name,
    kind: "ours",
    version: async () =>
      (await execute(SYSTEM_NODE, [path.join(dist, "sallyport.js"), "version"])).stdout.trim().split("\n")[0] ??
      "unknown",
    serve: async (targets, stack) => {
      const { at, workerd, agent } = await startSallyport(targets, { dist }, stack);
      return { at, processes: { workerd, agent: agent.pid } };
    },
  };
}
