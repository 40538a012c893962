import { loopback } from "../../test/support/net.ts";
import { run } from "../../test/support/run.ts";
import { floorEdge, floorProgram } from "./floor-parts.ts";
import { versionOf } from "./program.ts";

/** A way of datagrams to a target of which nothing is ours: where to send, and what works for it. */
export interface UdpWay {
  readonly at: string;
  readonly processes: Readonly<Record<string, number>>;
}

/** A gateway and an agent of nothing but sockets, and an object between them. */
export async function floorUdp(target: string, stack: AsyncDisposableStack): Promise<UdpWay> {
  const http = `${loopback()}:8787`;
  const at = `${loopback()}:5005`;
  const { pid } = await floorEdge({ module: "floor-udp-worker.js", http }, stack);
  const agent = await floorProgram("floor-udp.ts", ["agent", `ws://${http}`, target], stack);
  const gateway = await floorProgram("floor-udp.ts", ["gateway", `ws://${http}`, at], stack);
  return { at, processes: { workerd: pid, agent: agent.pid, gateway: gateway.pid } };
}

/** socat with a process for each flow; null when it is not on this machine. */
export async function socatUdp(target: string, stack: AsyncDisposableStack): Promise<UdpWay | null> {
  if ((await versionOf("socat", "-V")) === null) return null;
  const host = loopback();
  const { pid } = stack.use(run("socat", [`UDP4-LISTEN:5005,bind=${host},fork,reuseaddr`, `UDP4:${target}`]));
  return { at: `${host}:5005`, processes: { socat: pid } };
}
