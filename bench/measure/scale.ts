import { setTimeout as pause } from "node:timers/promises";
import { startSallyport } from "../adapters/sallyport.ts";
import type { Bench } from "../harness/context.ts";
import { iperf } from "../harness/iperf.ts";
import type { Plot } from "../harness/plot.ts";
import { cpuSeconds, residentBytes } from "../harness/proc.ts";
import { percentile } from "../harness/stats.ts";
import { firstBytes } from "../load/echo.ts";
import { IdleStreams } from "../load/idle.ts";
import { idleAgents } from "../load/agents.ts";

const KIB = 1024;
const SETTLE_MS = 1_000;
/** Agents of one site: a relay refuses its 256th end. */
const PER_SITE = 100;

/** Rules that the API takes in one request. */
const MOST_RULES = 5_000;

type Line = [x: number, y: number][];

/** What agents, mappings, streams and the size of messages cost, each from one to many, on an edge of its own. */
export async function scale(bench: Bench): Promise<() => Promise<void>> {
  await streams(bench);
  await mappings(bench);
  await agents(bench);
  return () => messages(bench);
}

async function streams({ quick, targets, report, dist }: Bench): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const ours = await startSallyport({ echo: targets["echo"] ?? "" }, { dist }, stack);
  const at = ours.at["echo"] ?? "";
  const open = stack.use(new IdleStreams(at));
  const processes = { agent: ours.agent.pid, workerd: ours.workerd };
  const lines = { agent: [] as Line, workerd: [] as Line };
  const rows: number[][] = [];
  for (const count of quick ? [1, 100, 1_000] : [1, 10, 100, 1_000, 3_000, 9_000]) {
    const before = cpuSeconds(ours.workerd) + cpuSeconds(ours.agent.pid);
    const more = count - open.count;
    await open.open(more);
    const spent = cpuSeconds(ours.workerd) + cpuSeconds(ours.agent.pid) - before;
    await pause(SETTLE_MS);
    const memory = Object.values(processes).map((pid) => residentBytes(pid) / KIB / KIB);
    const [agent = 0, workerd = 0] = memory;
    rows.push([count, agent, workerd, (spent * 1000) / more, percentile(await firstBytes(at, 8), 50)]);
    lines.agent.push([count, agent]);
    lines.workerd.push([count, workerd]);
  }
  report.table(
    "Scale: idle streams at one port",
    ["streams", "agent MiB", "workerd MiB", "CPU s to open 1,000", "first byte of 8 more, ms"],
    rows,
  );
  report.plot("scale-streams", { title: "Memory against idle streams", x: "streams", y: "MiB", lines } satisfies Plot);
}

async function mappings({ quick, targets, report, dist }: Bench): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const { echo = "" } = targets;
  const ours = await startSallyport({ echo }, { dist }, stack);
  const { api } = ours;
  const rows: number[][] = [];
  const lines = { "first byte, ms": [] as Line, "change of all, ms": [] as Line };
  for (const count of quick ? [10, 1_000] : [10, 100, 1_000, 10_000]) {
    const rules = Array.from({ length: count }, (_, index) => ({
      endpoint: `bench/n${index}`,
      site: "bench",
      target: echo,
    }));
    const begun = performance.now();
    for (let first = 0; first < count; first += MOST_RULES) {
      const some = rules.slice(first, first + MOST_RULES);
      await api("PUT", "/mappings", { mappings: some, keep: true, dryRun: false });
    }
    const took = performance.now() - begun;
    // The Worker's own copy of a route lives a second.
    await pause(SETTLE_MS + 200);
    const first = percentile(await firstBytes(ours.at["echo"] ?? "", 4), 50);
    rows.push([count, took, first, residentBytes(ours.workerd) / KIB / KIB, residentBytes(ours.agent.pid) / KIB / KIB]);
    lines["first byte, ms"].push([count, first]);
    lines["change of all, ms"].push([count, took]);
  }
  report.table(
    "Scale: mappings of one site",
    ["mappings", "to apply them, ms", "first byte then, ms", "workerd MiB", "agent MiB"],
    rows,
  );
  report.plot("scale-mappings", { title: "Time against mappings", x: "mappings", y: "ms", lines });
}

async function agents({ quick, targets, report, dist }: Bench): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const ours = await startSallyport({ echo: targets["echo"] ?? "" }, { dist }, stack);
  const { api } = ours;
  const sites = new Set<string>();
  let there = 0;
  const rows: number[][] = [];
  const lines = { workerd: [] as Line };
  const idle = residentBytes(ours.workerd);
  for (const count of quick ? [1, 50] : [1, 10, 100, 300, 1_000]) {
    const tokens: string[] = [];
    for (let index = there; index < count; index += 1) {
      const site = `site-${Math.floor(index / PER_SITE)}`;
      if (!sites.has(site)) await api("POST", "/sites", { name: site });
      sites.add(site);
      const { token } = await api<{ token: string }>("POST", "/tokens", { kind: "agent", site, local: true });
      tokens.push(token);
    }
    const before = cpuSeconds(ours.workerd);
    stack.use(await idleAgents(`${ours.host}:8787`, tokens));
    const spent = cpuSeconds(ours.workerd) - before;
    await pause(SETTLE_MS);
    const memory = residentBytes(ours.workerd);
    rows.push([count, sites.size, memory / KIB / KIB, (memory - idle) / count / KIB, (spent * 1000) / (count - there)]);
    lines.workerd.push([count, memory / KIB / KIB]);
    there = count;
  }
  report.table(
    `Scale: idle agents of one lane each, ${PER_SITE} a site`,
    ["agents", "sites", "workerd MiB", "KiB each", "CPU ms to join"],
    rows,
  );
  report.plot("scale-agents", { title: "Memory against idle agents", x: "agents", y: "MiB", lines });
}

async function messages({ seconds, quick, targets, report, dist }: Bench): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const { bulk = "" } = targets;
  const ours = await startSallyport({ bulk }, { dist }, stack);
  const rows: (string | number)[][] = [];
  const lines = { "workerd, down": [] as Line, "agent, down": [] as Line };
  for (const bytes of quick ? [1_024, 131_072] : [64, 1_024, 16_384, 131_072, 1_048_576]) {
    const before = [cpuSeconds(ours.workerd), cpuSeconds(ours.agent.pid)];
    const read = await iperf({
      target: bulk,
      at: ours.at["bulk"] ?? "",
      streams: 1,
      way: "down",
      seconds: Math.ceil(seconds),
      length: bytes,
    });
    const [workerd = 0, agent = 0] = [cpuSeconds(ours.workerd), cpuSeconds(ours.agent.pid)].map(
      (spent, index) => (spent - (before[index] ?? 0)) / (read.bytes / 1e9),
    );
    rows.push([bytes, read.bytesPerSecond / 1e6, workerd, agent]);
    lines["workerd, down"].push([bytes, workerd]);
    lines["agent, down"].push([bytes, agent]);
  }
  report.table(
    "Scale: size of what a target writes at once, one stream down",
    ["bytes", "MB/s", "workerd CPU s/GB", "agent"],
    rows,
  );
  report.plot("scale-messages", { title: "CPU seconds a GB against the size of writes", x: "bytes", y: "s/GB", lines });
}
