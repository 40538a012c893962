import { setTimeout as pause } from "node:timers/promises";
import { startSallyport } from "../adapters/sallyport.ts";
import type { Bench } from "../harness/context.ts";
import { startLink, type Link } from "../harness/link.ts";
import { median } from "../harness/stats.ts";
import { Counter } from "../load/counter.ts";

const EVERY_MS = 5;
const DARK_MS = 6_000;
/** The longest silence in this time after a reset is what it cost. */
const AFTERMATH_MS = 3_000;
const PATIENCE_MS = 30_000;

/** The path between agent and edge is reset, or goes dark and comes back, under a stream that counts: both at once, each on an edge of its own. */
export async function recovery({ quick, targets, report, dist }: Bench): Promise<void> {
  const rounds = quick ? 1 : 3;
  const found = await Promise.all(
    FAULTS.map(async (fault) => {
      await using stack = new AsyncDisposableStack();
      const links: Link[] = [];
      const through = async (edge: string): Promise<string> => {
        const link = await startLink(edge, {}, stack);
        links.push(link);
        return link.at;
      };
      const { at } = await startSallyport({ echo: targets["echo"] ?? "" }, { dist, through }, stack);
      const trials: Trial[] = [];
      for (let round = 0; round < rounds; round += 1)
        trials.push(await trial(at["echo"] ?? "", fault, (command) => links.forEach((link) => link.say(command))));
      return { fault, trials };
    }),
  );
  for (const { fault, trials } of found)
    report.atMost(
      `carrying data again after a ${fault.name}`,
      median(trials.map(({ tookMs }) => tookMs / 1000)),
      fault.goal,
      "s",
    );
  const all = found.flatMap(({ trials }) => trials);
  report.atMost(
    "numbers lost or doubled over all faults",
    all.reduce((sum, { missing, wrong }) => sum + missing + wrong, 0),
    0,
    "",
  );
  report.table(
    "Recovery of one stream",
    ["fault", "round", "ms until data", "numbers", "missing", "wrong"],
    found.flatMap(({ fault, trials }) =>
      trials.map(({ tookMs, numbers, missing, wrong }, round) => [
        fault.name,
        round + 1,
        tookMs,
        numbers,
        missing,
        wrong,
      ]),
    ),
  );
}

interface Fault {
  readonly name: "reset" | "blackhole";
  /** Seconds. */
  readonly goal: number;
  /** Lasts as long as what is to be watched of it. */
  readonly happen: (say: Link["say"]) => Promise<void>;
}

const FAULTS: readonly Fault[] = [
  {
    name: "reset",
    goal: 1,
    happen: (say) => {
      say("reset");
      return pause(AFTERMATH_MS);
    },
  },
  {
    name: "blackhole",
    goal: 3,
    happen: async (say) => {
      say("dark");
      await pause(DARK_MS);
      say("heal");
    },
  },
];

type Trial = { tookMs: number; numbers: number; missing: number; wrong: number };

async function trial(at: string, fault: Fault, say: Link["say"]): Promise<Trial> {
  using counter = new Counter(at, EVERY_MS);
  await until(() => counter.arrivals.length > 100);
  const faulted = performance.now();
  await fault.happen(say);
  const since = performance.now();
  await until(() => counter.over || counter.backAfter(since) !== null);
  counter.stop();
  await until(() => counter.over || counter.missing === 0);
  const tookMs = fault.name === "reset" ? counter.longestGap(faulted) : (counter.backAfter(since) ?? Number.NaN);
  return { tookMs, numbers: counter.arrivals.length, missing: counter.missing, wrong: counter.wrong };
}

async function until(condition: () => boolean): Promise<void> {
  for (const end = performance.now() + PATIENCE_MS; !condition() && performance.now() < end;) await pause(5);
}
