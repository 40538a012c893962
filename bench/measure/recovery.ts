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

/** The path between agent and edge is reset, or goes dark and comes back, under a stream that counts. */
export async function recovery({ quick, targets, report, dist }: Bench): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const links: Link[] = [];
  const through = async (edge: string): Promise<string> => {
    const link = await startLink(edge, {}, stack);
    links.push(link);
    return link.at;
  };
  const { at } = await startSallyport({ echo: targets["echo"] ?? "" }, { dist, through }, stack);
  const say: Link["say"] = (command) => links.forEach((link) => link.say(command));
  const faults = {
    reset: () => {
      say("reset");
      return pause(AFTERMATH_MS);
    },
    blackhole: async () => {
      say("dark");
      await pause(DARK_MS);
      say("heal");
    },
  };
  const rows: (string | number)[][] = [];
  let lost = 0;
  for (const [name, goal] of [
    ["reset", 1],
    ["blackhole", 3],
  ] as const) {
    const times: number[] = [];
    for (let round = 0; round < (quick ? 1 : 3); round += 1) {
      using counter = new Counter(at["echo"] ?? "", EVERY_MS);
      await until(() => counter.arrivals.length > 100);
      const faulted = performance.now();
      await faults[name]();
      const since = performance.now();
      await until(() => counter.over || counter.backAfter(since) !== null);
      counter.stop();
      await until(() => counter.over || counter.missing === 0);
      const took = name === "reset" ? counter.longestGap(faulted) : (counter.backAfter(since) ?? Number.NaN);
      times.push(took / 1000);
      lost += counter.missing + counter.wrong;
      rows.push([name, round + 1, took, counter.arrivals.length, counter.missing, counter.wrong]);
    }
    report.atMost(`carrying data again after a ${name}`, median(times), goal, "s");
  }
  report.atMost("numbers lost or doubled over all faults", lost, 0, "");
  report.table("Recovery of one stream", ["fault", "round", "ms until data", "numbers", "missing", "wrong"], rows);
}

async function until(condition: () => boolean): Promise<void> {
  for (const end = performance.now() + PATIENCE_MS; !condition() && performance.now() < end;) await pause(5);
}
