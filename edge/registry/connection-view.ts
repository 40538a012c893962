import type { ConnectionView } from "../../shared/rule/api.ts";
import type { ConnectionRecord } from "./types.ts";

/** Converts a finished connection for the API. `n`: its number in the journal; absent if it is not written yet. */
export function connectionView({ n, ...record }: ConnectionRecord & { n?: number }): ConnectionView {
  return { n: n ?? null, ...record, at: iso(record.at), ended: iso(record.ended) };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
