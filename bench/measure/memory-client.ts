import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { StatusView } from "../../shared/rule/api.ts";
import { run } from "../../test/support/run.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import { SYSTEM_NODE } from "../../scripts/tool.ts";
import { startSallyport, type Sallyport } from "../adapters/sallyport.ts";
import { COLLECTS, heldBytes } from "../harness/collected.ts";
import type { Bench } from "../harness/context.ts";
import { inspected } from "../harness/inspected.ts";
import { visitors } from "../harness/visitors.ts";

const KIB = 1024;
/** The name of its figure. */
export const THROUGH_CLIENT = "idle stream through a client, relay";
/** Asked for after this: the platform puts a relay to sleep that has had nothing to do for ten seconds. */
const ASLEEP_MS = 14_000;

/**
 * Idle streams that come through `sallyport connect`: the relay passes their frames on, keeps nothing of them, and hibernates
 * while they are open. `meanwhile` is done while they sleep.
 */
export async function idleThroughClient(
  { quick, targets, report, dist }: Bench,
  meanwhile: () => Promise<unknown>,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const count = quick ? 2_000 : 9_000;
  const { program: workerd, collect } = await inspected(stack);
  const echo = targets["echo"] ?? "";
  const ours = await startSallyport({ echo }, { dist, node: COLLECTS, workerd }, stack);
  const { at, client } = await startClient(ours, echo, dist, stack);
  const memory = async () => {
    const { resident, heap, buffers } = await collect(ours.workerd, `http://${ours.host}:8787/.sallyport/healthz`);
    return { relay: resident, v8: heap + buffers, client: await heldBytes(client), agent: await heldBytes(ours.agent) };
  };
  // As many come and go first: what the engines take for that work they keep, whether streams are open or not.
  {
    await using first = new AsyncDisposableStack();
    await (await visitors(at, first)).open(count);
  }
  const none = await memory();
  const streams = await visitors(at, stack);
  await streams.open(count);
  const instance = await instanceOf(ours);
  const open = await memory();
  await Promise.all([pause(ASLEEP_MS), meanwhile()]);
  const asleep = await memory();
  const hibernated = (await instanceOf(ours)) !== instance;
  await streams.answer();
  // They would wait for what is open.
  for (const program of [client, ours.agent]) program.kill("SIGKILL");
  const names = ["relay", "v8", "client", "agent"] as const;
  const each = (state: typeof open): number[] => names.map((name) => (state[name] - none[name]) / count / KIB);
  report.table(
    `Idle streams through a client: ${count} more, KiB each`,
    ["state", "workerd, garbage collected", "of it held by V8", "client", "agent"],
    [
      ["open", ...each(open)],
      [hibernated ? "the relay has hibernated" : "a while later, the relay awake", ...each(asleep)],
    ],
  );
  const told = hibernated ? "it hibernated, and all of them answered after it" : "it did NOT hibernate";
  report.atMost(
    THROUGH_CLIENT,
    (asleep.relay - none.relay) / count / KIB,
    1,
    "KiB",
    `over ${count} streams, garbage collected; ${told}`,
  );
}

/** A client for the target, as a user starts it. */
async function startClient(ours: Sallyport, target: string, dist: string, stack: AsyncDisposableStack) {
  const mappings = [{ endpoint: "bench/echo", site: "bench", target }];
  await ours.api("PUT", "/mappings", { mappings, keep: true, dryRun: false });
  const { token } = await ours.api<{ token: string }>("POST", "/tokens", {
    kind: "visitor",
    endpoints: ["bench/echo"],
  });
  const file = join(stack.use(await tempDir()).path, "token");
  await writeFile(file, token, { mode: 0o600 });
  const at = `${ours.host}:18000`;
  const words = ["connect", `bench/echo=${at}`, "--token-file", file, "--log", "json"];
  const client = stack.use(run(SYSTEM_NODE, [...COLLECTS, join(dist, "sallyport.js"), ...words]));
  await client.until(/"msg":"ready"/);
  return { at, client };
}

async function instanceOf({ api }: Sallyport): Promise<string | null> {
  const { sites } = await api<StatusView>("GET", "/status");
  return sites[0]?.relay.instance ?? null;
}
