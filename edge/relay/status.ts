import { laneOf, type End, type Lanes } from "./lanes/lanes.ts";
import type { EndStatus } from "./types.ts";

/** Milliseconds that a status waits for agents to answer: those that are alive do, and the others are no news. */
const MEASURE_TIMEOUT_MS = 300;

/** What `status` says of an agent, client or gateway. */
export function statusOf(end: End): EndStatus {
  const lanes = [...end.lanes].map(([index, lane]) => ({
    index,
    since: lane.attachment.since,
    backlog: lane.backlog,
    droppedDatagrams: lane.droppedDatagrams,
  }));
  const [first] = [...end.lanes.values()];
  const attachment = first?.attachment;
  return {
    kind: end.kind,
    identity: end.identity,
    incarnation: end.incarnation,
    slot: end.number,
    version: attachment?.ready?.version ?? "",
    since: Math.min(...lanes.map((lane) => lane.since)),
    address: attachment?.address ?? "",
    jti: attachment?.jti ?? "",
    expires: attachment?.expires ?? 0,
    roundTripMs: end.lanes.get(0)?.roundTripMs ?? null,
    lanes,
  };
}

/** Round trips to the agents, unless they are known already; one that does not answer is not waited for. */
export async function measure(lanes: Lanes): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, MEASURE_TIMEOUT_MS);
  const first = lanes.agents.flatMap((end) => laneOf(end, 0) ?? []);
  await Promise.race([Promise.all(first.map((lane) => lane.measure(Date.now()))), late]);
  clearTimeout(timer);
}
