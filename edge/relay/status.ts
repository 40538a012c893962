import { laneOf, type End, type Lanes } from "./lanes/lanes.ts";
import type { EndStatus } from "./types.ts";

/** Milliseconds that `status` waits for round trips: agents that are alive answer sooner, and dead ones are not worth waiting for. */
const MEASURE_TIMEOUT_MS = 300;

/** Returns the status of an agent, client or gateway. */
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

/** Measures the round trip to each agent that has no recent one. Resolves after MEASURE_TIMEOUT_MS at the latest. */
export async function measure(lanes: Lanes): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, MEASURE_TIMEOUT_MS);
  const first = lanes.agents.flatMap((end) => laneOf(end, 0) ?? []);
  await Promise.race([Promise.all(first.map((lane) => lane.measure(Date.now()))), late]);
  clearTimeout(timer);
}
