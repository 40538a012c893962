import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { loopback } from "../../test/support/net.ts";
import { run } from "../../test/support/run.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import { floorWays } from "../adapters/floor-http.ts";
import { startFloor } from "../adapters/floor.ts";
import { listening } from "../adapters/program.ts";
import { startSallyport } from "../adapters/sallyport.ts";
import type { Bench } from "../harness/context.ts";
import { childNamed } from "../harness/proc.ts";
import { nginxConf } from "../harness/targets.ts";

const HOST = "bench.test";
/** Bytes of each stream of the floor's on their way, each way. */
const WINDOW = 4 * 1024 * 1024;

/** A way to the page: where to connect, what to call it, and the processes that work for it beside the origin. */
export interface Way {
  readonly name: string;
  readonly at: string;
  readonly host: string;
  readonly processes: Readonly<Record<string, number>>;
}

/** Every way there is to the origin's page, ours beside the platform's own. */
export async function waysTo(origin: string, { dist, before }: Bench, stack: AsyncDisposableStack): Promise<Way[]> {
  // The targets' own: ours comes below.
  const nginx = childNamed("nginx");
  const ways = await Promise.all([
    proxied(origin, stack),
    floorWays(origin, stack),
    startFloor({ http: origin }, WINDOW, stack).then(({ at, processes }) => [
      { name: "floor: TCP", at: at["http"] ?? "", processes },
    ]),
    ...(before === null ? [] : [ours("before: ", origin, before, stack)]),
    ours("", origin, dist, stack),
  ]);
  const direct = { name: "direct", at: origin, processes: {} };
  return [direct, ...ways.flat()].map((way) => ({
    host: way.at,
    ...way,
    processes: { ...way.processes, ...(nginx === null ? {} : { origin: nginx }) },
  }));
}

/** The two ways through an edge and an agent: a port, and a host. */
async function ours(prefix: string, origin: string, dist: string, stack: AsyncDisposableStack) {
  const { at, host, workerd, agent, api } = await startSallyport({ http: origin }, { dist }, stack);
  const mappings = [{ endpoint: `http://${HOST}`, site: "bench", target: `http://${origin}` }];
  await api("PUT", "/mappings", { mappings, keep: true, dryRun: false });
  const processes = { workerd, agent: agent.pid };
  return [
    { name: `${prefix}TCP mapping`, at: at["http"] ?? "", processes },
    { name: `${prefix}HTTP endpoint`, at: `${host}:8787`, host: HOST, processes },
  ];
}

async function proxied(origin: string, stack: AsyncDisposableStack) {
  const folder = stack.use(await tempDir());
  const at = `${loopback()}:8004`;
  const upstream = `upstream origin { server ${origin}; keepalive 64; }`;
  const proxy = `listen ${at}; location / { proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ""; }`;
  await writeFile(join(folder.path, "nginx.conf"), nginxConf(folder.path, proxy, upstream));
  const words = ["-c", join(folder.path, "nginx.conf"), "-p", folder.path, "-e", "stderr"];
  const { pid } = stack.use(run("nginx", words));
  await listening(at);
  return [{ name: "nginx", at, processes: { proxy: pid } }];
}
