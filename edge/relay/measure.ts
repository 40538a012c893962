import { laneOf, type Lanes } from "./lanes/lanes.ts";

/** Milliseconds that a status waits for agents to answer: those that are alive do, and the others are no news. */
const PATIENCE_MS = 300;

/** Round trips to the agents, unless they are known already; one that does not answer is not waited for. */
export async function measure(lanes: Lanes): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, PATIENCE_MS);
  const first = lanes.agents.flatMap((end) => laneOf(end, 0) ?? []);
  await Promise.race([Promise.all(first.map((lane) => lane.measure(Date.now()))), late]);
  clearTimeout(timer);
}
