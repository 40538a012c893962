import { setTimeout as pause } from "node:timers/promises";
import { startSallyport } from "../adapters/sallyport.ts";
import { OURS, type Bench } from "../harness/context.ts";
import { residentBytes } from "../harness/proc.ts";
import { connections } from "../load/echo.ts";

const MIB = 2 ** 20;
const SETTLE_MS = 1_000;
const STOPPED_READERS = 64;
/** What readers that have stopped leave behind grows for this long. */
const FLOOD_MS = 6_000;

/** Memory of an idle agent, of idle streams, and of a relay whose every reader has stopped. Each on an edge of its own. */
export async function memory({ quick, targets, report, dist }: Bench): Promise<void> {
  const rows: (string | number)[][] = [];
  const count = quick ? 1_000 : 3_000;
  await using stack = new AsyncDisposableStack();
  const fresh = () =>
    startSallyport(
      { echo: targets["echo"] ?? "", source: targets["source"] ?? "", sink: targets["sink"] ?? "" },
      { dist },
      stack,
    );

  const idle = await fresh();
  await pause(SETTLE_MS);
  const before = { agent: residentBytes(idle.agent.pid), workerd: residentBytes(idle.workerd) };
  rows.push(["idle", before.agent / MIB, before.workerd / MIB]);
  report.atMost("idle agent", before.agent / MIB, 70, "MiB");

  // Some first, so that what is there once and for all is not counted to the many.
  const open = await connections(idle.at["echo"] ?? "", 100);
  const warm = { agent: residentBytes(idle.agent.pid), workerd: residentBytes(idle.workerd) };
  open.push(...(await connections(idle.at["echo"] ?? "", count)));
  await pause(SETTLE_MS);
  const after = { agent: residentBytes(idle.agent.pid), workerd: residentBytes(idle.workerd) };
  rows.push([`${count + 100} idle streams`, after.agent / MIB, after.workerd / MIB]);
  report.atMost("idle stream, agent", (after.agent - warm.agent) / count / 1024, 10, "KiB", `over ${count} streams`);
  report.atMost(
    "idle stream, edge port",
    (after.workerd - warm.workerd) / count / 1024,
    200,
    "KiB",
    `over ${count} streams`,
  );
  for (const socket of open) socket.destroy();
  report.absent("idle stream through a client, relay", "<= 1", "KiB", "not measured by this version of the bench");

  // The first byte orders what size of pieces a source sends: "0" large, "1" single bytes.
  for (const [name, endpoint, order] of [
    ["large frames down", "source", "0"],
    ["tiny frames down", "source", "1"],
    ["up", "sink", "x"],
  ] as const) {
    const ours = await fresh();
    await pause(SETTLE_MS);
    const start = residentBytes(ours.workerd);
    const readers = await connections(ours.at[endpoint] ?? "", STOPPED_READERS);
    for (const socket of readers) {
      socket.pause();
      socket.write(endpoint === "sink" ? Buffer.alloc(8 * MIB) : order);
    }
    let peak = 0;
    for (
      const until = performance.now() + (quick ? FLOOD_MS / 2 : FLOOD_MS);
      performance.now() < until;
      await pause(200)
    )
      peak = Math.max(peak, residentBytes(ours.workerd));
    rows.push([`${STOPPED_READERS} stopped readers, ${name}`, residentBytes(ours.agent.pid) / MIB, peak / MIB]);
    report.atMost(`relay, ${STOPPED_READERS} stopped readers, ${name}`, (peak - start) / MIB, 64, "MiB above idle");
    for (const socket of readers) socket.destroy();
  }
  report.table(`Memory of ${OURS}, MiB resident`, ["state", "agent", "workerd"], rows);
}
