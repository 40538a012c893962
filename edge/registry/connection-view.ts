import type { ConnectionView } from "../../shared/rule/api.ts";
import type { ConnectionRecord } from "./types.ts";

/** How a connection that is over looks from outside. `n`: its number in the journal; without one, it is not there yet. */
export function connectionView({ n, ...record }: ConnectionRecord & { n?: number }): ConnectionView {
  return { n: n ?? null, ...record, at: iso(record.at), ended: iso(record.ended) };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
