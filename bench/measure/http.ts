import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createRequire } from "node:module";
import { loopback } from "../../test/support/net.ts";
import { execute, run } from "../../test/support/run.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import { listening } from "../adapters/program.ts";
import { startSallyport } from "../adapters/sallyport.ts";
import type { Bench } from "../harness/context.ts";
import { requestTimes } from "../load/requests.ts";
import type { Peer } from "../harness/peer.ts";
import { interleaved, ratio, spreadOf, valueOf, withCpu, type Reading } from "../harness/rounds.ts";
import { percentile, short } from "../harness/stats.ts";
import { nginxConf } from "../harness/targets.ts";

const CONNECTIONS = 32;
const HOST = "bench.test";

/** Requests a second for a page of 1 KB over kept-alive connections; and, open loop, percentiles at half of what the slowest way takes. */
export async function http({ rounds, seconds, targets, report, dist, before }: Bench): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const origin = targets["http"] ?? "";
  const ways: Way[] = [
    { name: "direct", at: origin, host: origin },
    await nginxProxy(origin, stack).then((at) => ({ name: "nginx", at, host: at })),
    await bareWorkerd(stack).then((at) => ({ name: "workerd alone", at, host: at })),
    ...(before === null ? [] : await ours("before: ", origin, before, stack)),
    ...(await ours("", origin, dist, stack)),
  ];
  const hosts = new Map(ways.map(({ name, host }) => [name, host]));
  const peers = ways.map(({ name, at, processes = {} }): Peer => ({
    name,
    kind: "baseline",
    at: { http: at },
    processes,
  }));
  const series = await interleaved(peers, rounds, async (peer) => {
    const { result, cpu } = await withCpu(peer, () =>
      wrk(peer.at["http"] ?? "", hosts.get(peer.name) ?? "", CONNECTIONS, seconds),
    );
    const perThousand = Object.entries(cpu).map(([name, spent]) => [name, (spent * 1000) / (result["requests"] ?? 0)]);
    return { ...result, ...(Object.fromEntries(perThousand) as Reading) };
  });
  report.table(
    `HTTP, 1 KB, keep-alive, ${CONNECTIONS} connections`,
    ["through", "requests/s", "spread", "p50 ms", "p99 ms", "workerd CPU s per 1,000", "agent"],
    series.map((each) => [
      each.peer.name,
      valueOf(each, "rps"),
      `+-${short(spreadOf(each, "rps") * 100)} %`,
      valueOf(each, "p50"),
      valueOf(each, "p99"),
      valueOf(each, "cpu workerd"),
      valueOf(each, "cpu agent"),
    ]),
  );
  const endpoint = ratio(series, "rps", "HTTP endpoint", "workerd alone");
  report.atLeast("HTTP endpoint, requests/s, against the same workerd by itself", endpoint, 0.25, "x");
  report.atLeast(
    "HTTP over a TCP mapping, requests/s, against nginx proxying",
    ratio(series, "rps", "TCP mapping", "nginx"),
    0.4,
    "x",
  );

  // All ways at one rate, so that what differs is the way.
  const rate = Math.floor(Math.min(...series.map((each) => valueOf(each, "rps"))) / 2);
  const open = await interleaved(peers, rounds, async (peer) => {
    const times = await requestTimes({
      at: peer.at["http"] ?? "",
      host: hosts.get(peer.name) ?? "",
      path: "/page",
      perSecond: rate,
      seconds,
      connections: CONNECTIONS,
    });
    return Object.fromEntries([50, 99, 99.9].map((rank) => [`p${rank}`, percentile(times, rank)]));
  });
  report.table(
    `HTTP, 1 KB, open loop, ${rate} requests/s over ${CONNECTIONS} connections, milliseconds from when each was meant to leave`,
    ["through", "p50", "p99", "p99.9"],
    open.map((each) => [each.peer.name, ...["p50", "p99", "p99.9"].map((name) => valueOf(each, name))]),
  );
  report.atMost(
    "HTTP endpoint, p99 at half load, against direct",
    ratio(open, "p99", "HTTP endpoint", "direct"),
    3,
    "x",
    `open loop, ${rate} requests/s`,
  );
}

/** A way to the page: where to connect, and what to call it. */
type Way = { name: string; at: string; host: string; processes?: Readonly<Record<string, number>> };

/** The two ways through an edge and an agent: a port, and a host. */
async function ours(prefix: string, origin: string, dist: string, stack: AsyncDisposableStack): Promise<Way[]> {
  const { at, host, workerd, agent, cli } = await startSallyport({ http: origin }, { dist }, stack);
  await cli("map", "add", `http://${HOST}`, "bench", `http://${origin}`);
  const port = at["http"] ?? "";
  const processes = { workerd, agent: agent.pid };
  return [
    { name: `${prefix}TCP mapping`, at: port, host: port, processes },
    { name: `${prefix}HTTP endpoint`, at: `${host}:8787`, host: HOST, processes },
  ];
}

async function wrk(at: string, host: string, connections: number, seconds: number): Promise<Reading> {
  const fixed = ["-t1", `-c${connections}`, `-d${Math.ceil(seconds)}s`, "--latency"];
  const words = [...fixed, "-H", `Host: ${host}`, `http://${at}/page`];
  const { code, stdout, stderr } = await execute("timeout", [String(seconds + 15), "wrk", ...words]);
  const rps = Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1] ?? Number.NaN);
  if (code !== 0 || !(rps > 0)) throw new Error(`wrk at ${at}: ${stderr || stdout}`);
  const errors =
    Number(/Non-2xx or 3xx responses: (\d+)/.exec(stdout)?.[1] ?? 0) + Number(/read (\d+)/.exec(stdout)?.[1] ?? 0);
  if (errors > 0) throw new Error(`${errors} errors of wrk at ${at}`);
  const requests = Number(/(\d+) requests in/.exec(stdout)?.[1] ?? Number.NaN);
  return { rps, requests, p50: milliseconds(stdout, "50%"), p99: milliseconds(stdout, "99%") };
}

function milliseconds(text: string, rank: string): number {
  const [, number = "NaN", unit = "ms"] = new RegExp(`${rank}\\s+([\\d.]+)(us|ms|s)`).exec(text) ?? [];
  return Number(number) * (unit === "us" ? 0.001 : unit === "s" ? 1000 : 1);
}

async function nginxProxy(origin: string, stack: AsyncDisposableStack): Promise<string> {
  const folder = stack.use(await tempDir());
  const at = `${loopback()}:8004`;
  const upstream = `upstream origin { server ${origin}; keepalive 64; }`;
  const proxy = `listen ${at}; location / { proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ""; }`;
  await writeFile(join(folder.path, "nginx.conf"), nginxConf(folder.path, proxy, upstream));
  stack.use(run("nginx", ["-c", join(folder.path, "nginx.conf"), "-p", folder.path, "-e", "stderr"]));
  await listening(at);
  return at;
}

/** What this workerd answers when nothing but a Worker is in it. */
async function bareWorkerd(stack: AsyncDisposableStack): Promise<string> {
  const folder = stack.use(await tempDir());
  const at = `${loopback()}:8004`;
  await writeFile(
    join(folder.path, "worker.js"),
    `const page = "x".repeat(1024); export default { fetch: () => new Response(page) };`,
  );
  await writeFile(
    join(folder.path, "config.capnp"),
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (services = [(name = "main", worker = .main)], sockets = [(name = "http", address = "${at}", http = (), service = "main")]);
const main :Workerd.Worker = (modules = [(name = "worker.js", esModule = embed "worker.js")], compatibilityDate = "2026-10-20");`,
  );
  const binary = createRequire(import.meta.url).resolve("workerd/bin/workerd");
  stack.use(run(process.execPath, [binary, "serve", join(folder.path, "config.capnp")]));
  await listening(at);
  return at;
}
