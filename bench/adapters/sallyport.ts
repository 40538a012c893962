import { readFileSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { loopback } from "../../test/support/net.ts";
import { execute, run, type Run } from "../../test/support/run.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import { SYSTEM_NODE } from "../../scripts/tool.ts";
import { administrator, type Api } from "../harness/api.ts";
import { hostPort, type Adapter, type Targets } from "../harness/peer.ts";

const SITE = "bench";
const READY = /"msg":"ready"/;

export interface Setup {
  /** Folder of the built programs. */
  readonly dist: string;
  /** More words for `serve`. */
  readonly serve?: readonly string[];
  /** Node's own options for the agent. */
  readonly node?: readonly string[];
  /** Where the agent dials instead of the edge itself: a link that is slow or breaks. */
  readonly through?: (edge: string) => Promise<string>;
}

/** An edge and an agent on this machine, as a user starts them. */
export interface Sallyport {
  readonly host: string;
  readonly at: Targets;
  readonly workerd: number;
  /** The launcher, in which the gateway runs too. */
  readonly serve: Run;
  readonly agent: Run;
  readonly api: Api;
  /** Runs `sallyport` with these words. Throws with what it said when it fails. */
  readonly cli: (...words: readonly string[]) => Promise<string>;
}

/** Starts an edge that owns a port for each target, and an agent. */
export async function startSallyport(targets: Targets, setup: Setup, stack: AsyncDisposableStack): Promise<Sallyport> {
  const folder = stack.use(await tempDir());
  const host = loopback();
  const data = join(folder.path, "edge");
  const env = {
    SALLYPORT_CONFIG_DIR: join(folder.path, "config"),
    SALLYPORT_EDGE: undefined,
    SALLYPORT_ADMIN_TOKEN: undefined,
  };
  const program = join(setup.dist, "sallyport.js");
  const at = Object.fromEntries(Object.keys(targets).map((name, index) => [name, `${host}:${8000 + index}`]));
  const ports = Object.values(at)
    .map((address) => hostPort(address).port)
    .join(",");
  const where = ["--data", data, "--listen", `${host}:8787`, "--bind", host, "--tcp", ports, ...(setup.serve ?? [])];
  const serve = stack.use(run(SYSTEM_NODE, [program, "serve", ...where, "--log", "json"], { env }));
  await serve.until(READY);
  const secret = join(data, "admin-secret");
  const api = await administrator(`http://${host}:8787`, (await readFile(secret, "utf8")).trim());
  const command = async (...words: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await execute(SYSTEM_NODE, [program, ...words], { env });
    if (code !== 0) throw new Error(`sallyport ${words.slice(0, 2).join(" ")}: ${stderr.trim() || `exit ${code}`}`);
    return stdout.trim();
  };
  let login: Promise<string> | undefined;
  const cli = async (...words: readonly string[]): Promise<string> => {
    await (login ??= command("login", `http://${host}:8787`, "--secret-file", secret));
    return command(...words);
  };
  await api("POST", "/sites", { name: SITE });
  const mappings = Object.entries(targets).map(([name, target]) => ({
    endpoint: `${hostPort(at[name] ?? "").port}/tcp`,
    site: SITE,
    target,
  }));
  await api("PUT", "/mappings", { mappings, keep: true, dryRun: false });
  const order = { kind: "agent", site: SITE, local: true, targets: ["127.0.0.0/8:1-65535"] };
  const issued = await api<{ token: string }>("POST", "/tokens", order);
  const token = join(folder.path, "token");
  await writeFile(token, issued.token, { mode: 0o600 });
  const edge = await setup.through?.(`${host}:8787`);
  const words = ["--token-file", token, ...(edge === undefined ? [] : ["--edge", `http://${edge}`]), "--log", "json"];
  const agent = stack.use(run(SYSTEM_NODE, [...(setup.node ?? []), join(setup.dist, "agent.js"), ...words], { env }));
  await agent.until(READY);
  const { pid } = JSON.parse(readFileSync(join(data, "run/workerd.pid"), "utf8")) as { pid: number };
  return { host, at, workerd: pid, serve, agent, api, cli };
}

/** This program as a peer; `name` and `dist` differ when a change is compared with what was before. */
export function sallyport(name: string, dist: string): Adapter {
  return {
    name,
    kind: "ours",
    version: async () =>
      (await execute(SYSTEM_NODE, [join(dist, "sallyport.js"), "version"])).stdout.trim().split("\n")[0] ?? "unknown",
    serve: async (targets, stack) => {
      const { at, workerd, agent } = await startSallyport(targets, { dist }, stack);
      return { at, processes: { workerd, agent: agent.pid } };
    },
  };
}
