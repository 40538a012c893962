import { setTimeout as pause } from "node:timers/promises";
import { startSallyport } from "../adapters/sallyport.ts";
import { attempt } from "../harness/attempt.ts";
import type { Bench } from "../harness/context.ts";
import { residentBytes } from "../harness/proc.ts";
import { idleThroughClient, THROUGH_CLIENT } from "./memory-client.ts";
import { idleStreams } from "./memory-idle.ts";
import { stoppedReaders } from "./memory-stopped.ts";

const MIB = 2 ** 20;
const SETTLE_MS = 1_000;

/** Memory of an idle agent, of idle streams, and of a relay whose every reader has stopped; each on an edge of its own, beside the floor's. */
export async function memory(bench: Bench): Promise<void> {
  const { report } = bench;
  await attempt(report, ["idle agent"], () => idleAgent(bench));
  // Side by side: bytes are measured, not time, and one of them mostly waits.
  let others: Promise<unknown> | undefined;
  const meanwhile = () => (others ??= Promise.all([idleStreams(bench), stoppedReaders(bench)]));
  await attempt(report, [THROUGH_CLIENT], () => idleThroughClient(bench, meanwhile));
  // It may have failed before it came to that.
  await meanwhile();
}

async function idleAgent({ targets, report, dist }: Bench): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const { agent, workerd } = await startSallyport({ echo: targets["echo"] ?? "" }, { dist }, stack);
  await pause(SETTLE_MS);
  const note = `its edge: ${Math.round(residentBytes(workerd) / MIB)} MiB`;
  report.atMost("idle agent", residentBytes(agent.pid) / MIB, 70, "MiB", note);
}
