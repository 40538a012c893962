import type { Mapping } from "../../shared/rule/mapping.ts";
import type { Problem } from "../problem.ts";

/** Names one state of one mapping: it is another after every change. */
export function etagOf({ id, revision, changed }: Mapping): string {
  return `"${id}-${revision}-${changed.at.toString(36)}"`;
}

/** Whether `If-Match`, if it was given, names this state (RFC 9110 section 13.1.1; strong comparison). */
export function matches(ifMatch: string | undefined, etag: string): boolean {
  if (ifMatch === undefined || ifMatch.trim() === "*") return true;
  return ifMatch.split(",").some((each) => each.trim() === etag);
}

/** Somebody else was faster: what would be overwritten is not what was read. */
export function mappingChanged(mapping: Mapping): Problem {
  const { endpoint, changed } = mapping;
  return {
    status: 412,
    code: "changed-meanwhile",
    title: "Changed meanwhile",
    detail: `${endpoint} was changed by ${changed.by} at ${new Date(changed.at).toISOString()}, after it was read.`,
    fix: `Look at it again, then repeat the change: sallyport map show ${endpoint}`,
  };
}
