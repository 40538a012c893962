import type { End } from "./lanes/lanes.ts";
import type { EndStatus } from "./types.ts";

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
