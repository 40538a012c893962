import { loopback } from "../../test/support/net.ts";
import { execute } from "../../test/support/run.ts";
import { hostPort, type Adapter, type Targets } from "../harness/peer.ts";
import { floorEdge, floorProgram, WORKERD } from "./floor-parts.ts";

/** Bytes of each stream on their way at most, each way, where nothing else is said. */
const WINDOW = 4 * 1024 * 1024;

/** What is left of us when all that makes a tunnel safe is taken away: the platform's own cost, which ours can't be below. */
export const floor: Adapter = {
  name: "floor",
  kind: "baseline",
  version: async () => {
    const { stdout } = await execute(WORKERD, ["--version"]);
    return /[\d-]+$/.exec(stdout.trim())?.[0] ?? "unknown";
  },
  serve: (targets, stack) => startFloor(targets, WINDOW, stack),
};

/** Starts it in front of these targets. `window`: bytes of each stream on their way at most, each way; `inspector`: where workerd's listens. */
export async function startFloor(targets: Targets, window: number, stack: AsyncDisposableStack, inspector?: string) {
  const host = loopback();
  const at = Object.fromEntries(Object.keys(targets).map((name, index) => [name, `${host}:${8000 + index}`]));
  const http = `${host}:8787`;
  const edge = { module: "floor-worker.js", http, ports: Object.values(at), text: { WINDOW: String(window) } };
  const workerd = await floorEdge({ ...edge, ...(inspector === undefined ? {} : { inspector }) }, stack);
  const words = Object.entries(targets).map(([name, target]) => `${hostPort(at[name] ?? "").port}=${target}`);
  const agent = await floorProgram("floor-agent.ts", [`ws://${http}`, String(window), ...words], stack);
  return { at, http, processes: { workerd: workerd.pid, agent: agent.pid } };
}
