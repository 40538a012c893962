import { once } from "node:events";
import net from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { RELAY_BUDGET } from "../../shared/wire/limits.ts";
import { loopback } from "../../test/support/net.ts";
import { attempt } from "../harness/attempt.ts";
import { OURS, type Bench } from "../harness/context.ts";
import type { Held } from "../harness/inspected.ts";
import { residentBytes } from "../harness/proc.ts";
import { short } from "../harness/stats.ts";
import { kernelBytes, READERS, readSome, sendSome, stopped } from "../load/stopped.ts";
import { bare, cpu, ourTunnel, residents, type Start } from "./memory-tunnel.ts";

const MIB = 2 ** 20;
const SETTLE_MS = 500;
const STEP_MS = 250;
/** The floor's credit of each stream: our budget for all, shared by the readers. */
const WINDOW = RELAY_BUDGET / READERS;
/** CPU seconds in a step under which nothing moves, and steps of that after which nothing will: all credit is used up. */
const STILL = 0.02;
const STILL_STEPS = 4;

/** What visitors do, and the target they do it with; the first byte orders what size of pieces a source sends: "0" large, "1" single bytes. */
const WAYS = [
  { name: "large frames down", target: "source", order: "0" },
  { name: "tiny frames down", target: "source", order: "1" },
  { name: "up", target: "sink", order: Buffer.alloc(8 * MIB) },
] as const;
type Way = (typeof WAYS)[number];

/** Above what it was when idle, in bytes: at most, after collection, and once the readers are gone. And what kernels held. */
interface Stopped {
  readonly peak: number;
  readonly held: Held;
  readonly gone: number;
  readonly kernels: number;
  readonly agent: number;
}

/** A relay whose every reader has stopped; the floor's, with as much credit; and what stays of either when as many bytes were read, and nobody is there. */
export async function stoppedReaders({ quick, targets, report, dist }: Bench): Promise<void> {
  const work = quick ? 4.5 : 10;
  // All at once: bytes are measured, not time.
  const found = await Promise.all(
    WAYS.map(async (way) => {
      const target = targets[way.target] ?? "";
      const name = `relay, ${stateOf(way)}`;
      const reached = await attempt(report, [name], () => both(dist, (start) => stop(start, way, target, work)));
      // Tiny ones are too slow to say how many were read; and it explains figures, is none.
      if (reached === undefined || quick || way.name === "tiny frames down") return { way, reached };
      const bytes = reached[0].kernels;
      const carried = () => both(dist, (start) => carry(start, way, target, bytes));
      return { way, reached, left: await attempt(report, [`${name}, as much read`], carried) };
    }),
  );
  const rows: (string | number)[][] = [];
  const tell = (state: string, [ours, floor]: readonly [Stopped, Stopped]): void => {
    rows.push([state, OURS, ...cells(ours)], [state, "floor", ...cells(floor)]);
  };
  for (const { way, reached, left } of found) {
    if (reached === undefined) continue;
    const [ours, floor] = reached;
    const state = stateOf(way);
    tell(state, reached);
    const notes = [
      `floor ${short(floor.peak / MIB)} MiB`,
      `V8 holds ${short((ours.held.heap + ours.held.buffers) / MIB)}`,
    ];
    if (left !== undefined) {
      tell(`${short(ours.kernels / MIB)} MiB ${way.name} read, readers gone`, left);
      notes.push(`${short(left[0].peak / MIB)} when as much was read and nobody is there`);
    }
    report.atMost(`relay, ${state}`, ours.peak / MIB, 64, "MiB above idle", notes.join("; "));
  }
  report.table(
    `Relay with ${READERS} stopped readers, MiB above idle; credit ${RELAY_BUDGET / MIB} MiB for all (floor: ${WINDOW / 1024} KiB each)`,
    ["state", "through", "workerd at most", "garbage collected", "V8 holds", "readers gone", "in kernels", "agent"],
    rows,
  );
}

function stateOf(way: Way): string {
  return `${READERS} stopped readers, ${way.name}`;
}

/** Ours and the floor side by side: bytes are measured, not time. */
function both<T>(dist: string, measure: (start: Start) => Promise<T>): Promise<[ours: T, floor: T]> {
  return Promise.all([measure(ourTunnel(dist)), measure(bare(WINDOW))]);
}

function cells({ peak, held, gone, kernels, agent }: Stopped): number[] {
  return [peak, held.resident, held.heap + held.buffers, gone, kernels, agent].map((bytes) => bytes / MIB);
}

/** `work`: CPU seconds of workerd and agent that are enough, however busy the machine is. */
async function stop(start: Start, way: Way, target: string, work: number): Promise<Stopped> {
  await using stack = new AsyncDisposableStack();
  const tunnel = await start({ [way.target]: target }, stack);
  const at = tunnel.at[way.target] ?? "";
  await pause(SETTLE_MS);
  const idle = residents(tunnel);
  const readers = await stopped(at);
  for (const socket of readers) socket.write(way.order);
  let peak = 0;
  const begun = cpu(tunnel);
  let spent = 0;
  for (let still = 0; still < STILL_STEPS && spent < work;) {
    await pause(STEP_MS);
    peak = Math.max(peak, residentBytes(tunnel.workerd) - idle.workerd);
    const now = cpu(tunnel) - begun;
    still = now - spent < STILL ? still + 1 : 0;
    spent = now;
  }
  // What the target's own kernel holds on its way down has not been through.
  const kernels = kernelBytes(way.target === "sink" ? target : at);
  const agent = residentBytes(tunnel.agent) - idle.agent;
  // Nothing more is to come while garbage is collected.
  process.kill(tunnel.agent, "SIGSTOP");
  const held = await tunnel.collect();
  process.kill(tunnel.agent, "SIGCONT");
  for (const socket of readers) socket.destroy();
  await pause(SETTLE_MS);
  const gone = (await tunnel.collect()).resident - idle.workerd;
  // It would wait for what is on its way.
  process.kill(tunnel.agent, "SIGKILL");
  return { peak, held: { ...held, resident: held.resident - idle.workerd }, gone, kernels, agent };
}

/** The same bytes, with readers who take them. */
async function carry(start: Start, way: Way, target: string, bytes: number): Promise<Stopped> {
  await using stack = new AsyncDisposableStack();
  const drain = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket
      .on("error", () => {})
      .on("end", () => socket.end())
      .resume();
  });
  const host = loopback();
  await once(drain.listen(8000, host), "listening");
  stack.defer(() => void drain.close());
  const tunnel = await start({ [way.target]: way.target === "sink" ? `${host}:8000` : target }, stack);
  const at = tunnel.at[way.target] ?? "";
  await pause(SETTLE_MS);
  const idle = residents(tunnel);
  const each = Math.ceil(bytes / READERS);
  await (way.target === "sink" ? sendSome(at, each) : readSome(at, way.order, each));
  await pause(SETTLE_MS);
  const now = residents(tunnel);
  const left = await tunnel.collect();
  process.kill(tunnel.agent, "SIGKILL");
  const held = { ...left, resident: left.resident - idle.workerd };
  return { peak: now.workerd - idle.workerd, held, gone: held.resident, kernels: 0, agent: now.agent - idle.agent };
}
