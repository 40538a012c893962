import { setTimeout as pause } from "node:timers/promises";
import { loopback } from "../../test/support/net.ts";
import { floorEdge, floorProgram } from "../adapters/floor-parts.ts";
import { startSallyport } from "../adapters/sallyport.ts";
import { COLLECTS, heldBytes } from "../harness/collected.ts";
import { attempt } from "../harness/attempt.ts";
import { OURS, type Bench } from "../harness/context.ts";
import { residentBytes } from "../harness/proc.ts";
import { short } from "../harness/stats.ts";
import { visitors } from "../harness/visitors.ts";

const KIB = 1024;
const SETTLE_MS = 500;
/** The names of its figures. */
const AGENT = "idle stream, agent";
const EDGE = "idle stream, edge port";
/** Opened before those that count, so that what is there once and for all is not counted to the many. */
const FIRST = 200;

/** Something that holds streams: how more of them are opened, and what it holds then, by process. */
interface Holder {
  readonly name: string;
  readonly open: (count: number) => Promise<unknown>;
  readonly held: () => Promise<readonly (readonly [name: string, bytes: number])[]>;
}

/** What a stream costs in which nothing happens: through an edge port and its agent, and what sockets cost a bare Node and a bare workerd. */
export async function idleStreams({ quick, targets, report, dist }: Bench): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const count = quick ? 2_000 : 9_000;
  const echo = targets["echo"] ?? "";
  const each = new Map<string, number>();
  const rows: (string | number)[][] = [];
  // Side by side: bytes are measured, not time.
  const measure = async ({ name, open, held }: Holder): Promise<void> => {
    await open(FIRST);
    await pause(SETTLE_MS);
    const before = new Map(await held());
    await open(count);
    await pause(SETTLE_MS);
    for (const [part, bytes] of await held()) {
      const bytesEach = (bytes - (before.get(part) ?? 0)) / count;
      each.set(part, bytesEach / KIB);
      rows.push([name, part, bytes / KIB / KIB, bytesEach / KIB]);
    }
  };
  await Promise.all([
    attempt(report, [AGENT, EDGE], async () => measure(await throughPort(echo, dist, stack))),
    attempt(report, [`${EDGE}, floor`], async () => measure(await bareWorkerd(stack))),
    attempt(report, [`${AGENT}, floor`], async () => measure(await bareNode(stack))),
  ]);
  const over = `over ${count} streams, garbage of Node collected`;
  const figure = (name: string, part: string, goal: number, floorPart: string): void => {
    const [value, floor] = [each.get(part), each.get(floorPart)];
    if (value === undefined) return;
    report.atMost(name, value, goal, "KiB", floor === undefined ? over : `${over}; floor ${short(floor)} KiB`);
  };
  figure(AGENT, "agent", 10, "Node that dialled them");
  figure(EDGE, "workerd", 200, "workerd whose object holds them");
  report.table(
    `Idle streams, ${count} and ${FIRST} before that don't count`,
    ["through", "process", "MiB resident", "KiB a stream"],
    rows,
  );
}

async function throughPort(echo: string, dist: string, stack: AsyncDisposableStack): Promise<Holder> {
  const { at, agent, workerd } = await startSallyport({ echo }, { dist, node: COLLECTS }, stack);
  const streams = await visitors(at["echo"] ?? "", stack);
  return {
    name: OURS,
    open: (count) => streams.open(count),
    held: async () => [
      ["agent", await heldBytes(agent)],
      ["workerd", residentBytes(workerd)],
    ],
  };
}

async function bareWorkerd(stack: AsyncDisposableStack): Promise<Holder> {
  const host = loopback();
  const at = `${host}:8000`;
  const { pid } = await floorEdge({ module: "floor-hold-worker.js", http: `${host}:8787`, ports: [at] }, stack);
  const streams = await visitors(at, stack);
  return {
    name: "floor",
    open: (count) => streams.open(count),
    held: async () => [["workerd whose object holds them", residentBytes(pid)]],
  };
}

async function bareNode(stack: AsyncDisposableStack): Promise<Holder> {
  const where = [loopback(), "8000"];
  const accepts = await floorProgram("floor-sockets.ts", ["accept", ...where], stack, COLLECTS);
  const dials = await floorProgram("floor-sockets.ts", ["dial", ...where], stack, COLLECTS);
  return {
    name: "floor",
    open: (count) => {
      dials.type(`${count}\n`);
      return dials.until(new RegExp(`dialled ${count}\n`));
    },
    held: async () => [
      ["Node that dialled them", await heldBytes(dials)],
      ["Node that accepted them", await heldBytes(accepts)],
    ],
  };
}
