import { loopback } from "../../test/support/net.ts";
import { floorEdge, floorProgram } from "./floor-parts.ts";

/** A way to the page of which nothing is ours. */
export interface FloorWay {
  readonly name: string;
  readonly at: string;
  readonly processes: Readonly<Record<string, number>>;
}

/**
 * What the platform takes for an HTTP endpoint: a Worker that answers by itself; one that asks its object; and an object that
 * sends each request to an agent, which asks the origin.
 */
export async function floorWays(origin: string, stack: AsyncDisposableStack): Promise<FloorWay[]> {
  const [alone = "", object = "", whole = ""] = [0, 1, 2].map(() => `${loopback()}:8004`);
  const edges = [
    await floorEdge({ module: "floor-page-worker.js", http: alone }, stack),
    await floorEdge({ module: "floor-http-worker.js", http: object }, stack),
    await floorEdge({ module: "floor-http-worker.js", http: whole }, stack),
  ].map(({ pid }) => pid);
  const [aloneEdge = 0, objectEdge = 0, wholeEdge = 0] = edges;
  const agent = await floorProgram("floor-http-agent.ts", [`ws://${whole}`, origin], stack);
  return [
    { name: "workerd alone", at: alone, processes: { workerd: aloneEdge } },
    { name: "floor: Worker and object", at: object, processes: { workerd: objectEdge } },
    { name: "floor: object and agent", at: whole, processes: { workerd: wholeEdge, agent: agent.pid } },
  ];
}
