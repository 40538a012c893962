import { attempt } from "../harness/attempt.ts";
import type { Bench } from "../harness/context.ts";
import { residentBytes } from "../harness/proc.ts";
import { idleThroughClient, THROUGH_CLIENT } from "./memory-client.ts";
import { idleStreams } from "./memory-idle.ts";
import { stoppedReaders } from "./memory-stopped.ts";

const MIB = 2 ** 20;

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

/** The one that is watched, which has had one visitor. */
async function idleAgent({ report, idle }: Bench): Promise<void> {
  const { agent, workerd } = await idle();
  const note = `its edge: ${Math.round(residentBytes(workerd) / MIB)} MiB`;
  report.atMost("idle agent", residentBytes(agent) / MIB, 70, "MiB", note);
}
