/**
 * `npm run bench`: every figure that is promised, measured in one run on one machine, peers and baselines in turn.
 * Writes bench/results/latest.json and .md. See bench/README.md.
 */
import { build } from "../scripts/build.ts";
import { attempt } from "./harness/attempt.ts";
import type { Bench, Measure } from "./harness/context.ts";
import { heedSignals } from "./harness/signals.ts";
import { describeMachine } from "./harness/machine.ts";
import { limitOf, parseOptions, USAGE, type Options } from "./harness/options.ts";
import { prepare } from "./harness/packages.ts";
import { Parts } from "./harness/parts.ts";
import { startPeers } from "./harness/peers.ts";
import { Report } from "./harness/report.ts";
import { writeResults } from "./harness/results.ts";
import { startTargets } from "./harness/targets.ts";
import { bulk } from "./measure/bulk.ts";
import { cost } from "./measure/cost.ts";
import { distance } from "./measure/distance.ts";
import { echo } from "./measure/echo.ts";
import { http } from "./measure/http.ts";
import { watchIdle, type IdleWatch } from "./measure/idle.ts";
import { memory } from "./measure/memory.ts";
import { recovery } from "./measure/recovery.ts";
import { scale } from "./measure/scale.ts";
import { setup } from "./measure/setup.ts";
import { udp } from "./measure/udp.ts";
import { wire } from "./measure/wire.ts";

/** What works without pause: one after the other. */
const BUSY: readonly Readonly<Record<string, Measure>>[] = [
  { bulk },
  { echo },
  { setup },
  { distance },
  { wire },
  { http },
  { udp },
];
/** Those of one line run side by side: they wait more than they work. */
const STAGES: typeof BUSY = [...BUSY, { memory }, { recovery, cost }, { scale }];
const QUICK_STAGES: typeof BUSY = [...BUSY, { memory, recovery, cost, scale }];
/** What needs the peers. */
const PEERED = ["bulk", "echo", "setup"];

const options = parseOptions(process.argv.slice(2));
if (options === undefined) console.log(USAGE);
else await main(options);

async function main(wanted: Options): Promise<void> {
  heedSignals();
  const started = new Date();
  const machine = await describeMachine();
  const isWanted = (name: string): boolean => wanted.only.length === 0 || wanted.only.includes(name);
  await using stack = new AsyncDisposableStack();
  const versions: Record<string, string> = {};
  const report = new Report();
  const parts = new Parts();
  const bench = await parts.timed("getting ready", async (): Promise<Bench> => {
    await prepare();
    if (!process.argv.includes("--dist")) await build(() => undefined);
    const targets = await startTargets(stack);
    let watch: Promise<IdleWatch> | undefined;
    const idle = (): Promise<IdleWatch> => (watch ??= watchIdle(wanted.dist, targets, stack));
    if (isWanted("cost")) await idle();
    const peers = await startPeers(wanted, PEERED.some(isWanted) ? targets : null, versions, stack);
    return { ...wanted, peers, targets, report, idle };
  });
  for (const stage of wanted.quick ? QUICK_STAGES : STAGES) {
    const chosen = Object.entries(stage).filter(([name]) => isWanted(name));
    if (chosen.length > 0) await measure(chosen, bench, parts);
  }
  report.table("What took how long", ["part", "seconds"], parts.rows);
  const seconds = Math.round((Date.now() - started.getTime()) / 1000);
  const limitSeconds = limitOf(wanted);
  const keptLimit = limitSeconds === null ? null : seconds <= limitSeconds;
  console.log(
    `\n${seconds} s in all${keptLimit === null ? "" : `; its limit of ${limitSeconds} s: ${keptLimit ? "" : "not "}kept`}`,
  );
  const { quick, rounds } = wanted;
  const run = { started: started.toISOString(), seconds, limitSeconds, keptLimit, quick, rounds };
  if (wanted.out !== null) writeResults(wanted.out, { run, machine, versions }, report);
}

/** Measures these side by side, and then in turn what has to be alone. One that fails is told and does not end the others. */
async function measure(chosen: readonly (readonly [string, Measure])[], bench: Bench, parts: Parts): Promise<void> {
  const rests = await Promise.all(
    chosen.map(async ([name, each]) => {
      const rest = await parts.timed(name, () => attempt(bench.report, [name], () => each(bench)));
      return { name: `${name}, alone`, rest };
    }),
  );
  for (const { name, rest } of rests)
    if (typeof rest === "function") await parts.timed(name, () => attempt(bench.report, [name], rest));
}
