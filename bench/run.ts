/**
 * `npm run bench`: everything DESIGN section 7 promises, measured in one run on one machine, peers and baselines in turn.
 * Writes bench/results/latest.json and .md. See bench/README.md.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import { build } from "../scripts/build.ts";
import { direct } from "./adapters/direct.ts";
import { floor } from "./adapters/floor.ts";
import { haproxy } from "./adapters/haproxy.ts";
import { sallyport } from "./adapters/sallyport.ts";
import { socat } from "./adapters/socat.ts";
import { ssh } from "./adapters/ssh.ts";
import { tunnels } from "./adapters/tunnels.ts";
import { OURS, type Bench } from "./harness/context.ts";
import { describeMachine } from "./harness/machine.ts";
import { parseOptions, USAGE, type Options } from "./harness/options.ts";
import { prepare } from "./harness/packages.ts";
import type { Adapter, Peer, Targets } from "./harness/peer.ts";
import { figuresText, Report, tableText } from "./harness/report.ts";
import { startTargets } from "./harness/targets.ts";
import { svg } from "./harness/plot.ts";
import { bulk } from "./measure/bulk.ts";
import { cost } from "./measure/cost.ts";
import { distance } from "./measure/distance.ts";
import { echo } from "./measure/echo.ts";
import { http } from "./measure/http.ts";
import { memory } from "./measure/memory.ts";
import { recovery } from "./measure/recovery.ts";
import { scale } from "./measure/scale.ts";
import { setup } from "./measure/setup.ts";
import { udp } from "./measure/udp.ts";

const MEASURES: Readonly<Record<string, (bench: Bench) => Promise<void>>> = {
  bulk,
  echo,
  setup,
  distance,
  memory,
  recovery,
  http,
  udp,
  cost,
  scale,
};

const options = parseOptions(process.argv.slice(2));
if (options === undefined) console.log(USAGE);
else await main(options);

async function main(wanted: Options): Promise<void> {
  const started = new Date();
  const machine = await describeMachine();
  await prepare();
  if (!process.argv.includes("--dist")) await build(() => undefined);
  await using stack = new AsyncDisposableStack();
  const targets = await startTargets(stack);
  const versions: Record<string, string> = {};
  const peers = await startPeers(adapters(wanted), targets, versions, stack);
  const report = new Report();
  const bench: Bench = { ...wanted, peers, targets, report };
  for (const [name, measure] of Object.entries(MEASURES)) {
    if (wanted.only.length > 0 && !wanted.only.includes(name)) continue;
    const begun = performance.now();
    try {
      await measure(bench);
    } catch (error) {
      report.absent(name, "", "", `failed: ${error instanceof Error ? error.message : String(error)}`);
      process.exitCode = 1;
    }
    console.log(`(${name}: ${Math.round((performance.now() - begun) / 1000)} s)`);
  }
  const run = {
    started: started.toISOString(),
    seconds: Math.round((Date.now() - started.getTime()) / 1000),
    quick: wanted.quick,
    rounds: wanted.rounds,
  };
  if (wanted.out !== null)
    write(wanted.out, { run, machine, versions, figures: report.figures, tables: report.tables, plots: report.plots });
}

function adapters({ peers, before, dist }: Options): Adapter[] {
  const others = [direct, socat, haproxy, ssh, floor, ...tunnels].filter(
    ({ name }) => peers.length === 0 || peers.includes(name.split(" ")[0] ?? ""),
  );
  return [...others, ...(before === null ? [] : [sallyport("before", before)]), sallyport(OURS, dist)];
}

/** Starts those that are on this machine; the others are listed as absent. */
async function startPeers(
  wanted: readonly Adapter[],
  targets: Targets,
  versions: Record<string, string>,
  stack: AsyncDisposableStack,
): Promise<Peer[]> {
  const peers: Peer[] = [];
  for (const { name, kind, version, serve } of wanted) {
    const found = await version();
    versions[name] = found ?? "absent";
    if (found === null) {
      console.log(`absent: ${name}`);
      continue;
    }
    try {
      peers.push({ name, kind, ...(await serve(targets, stack)) });
    } catch (error) {
      if (kind === "ours") throw error;
      versions[name] = `${found}, which did not start`;
      console.error(`${name} did not start: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return peers;
}

type Results = { run: object; machine: object; versions: object } & Pick<Report, "figures" | "tables" | "plots">;

function write(out: string, { plots, ...results }: Results): void {
  mkdirSync(dirname(out), { recursive: true });
  writeFileSync(`${out}.json`, `${JSON.stringify(results, null, 2)}\n`);
  const facts = Object.entries({ ...results.run, ...results.machine }).map(
    ([name, value]) => `- ${name}: ${String(value)}`,
  );
  const versions = Object.entries(results.versions).map(([name, value]) => `- ${name}: ${String(value)}`);
  for (const [name, plot] of plots) writeFileSync(`${out}-${name}.svg`, svg(plot));
  const sections = [
    "# Benchmark results",
    facts.join("\n"),
    figuresText(results.figures),
    ...results.tables.map(tableText),
    ...[...plots].map(([name, { title }]) => `![${title}](${basename(out)}-${name}.svg)`),
    "### Versions",
    versions.join("\n"),
  ];
  writeFileSync(`${out}.md`, `${sections.join("\n\n")}\n`);
  console.log(`\n${figuresText(results.figures)}\n\nwritten: ${out}.json, ${out}.md`);
}
