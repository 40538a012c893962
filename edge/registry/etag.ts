import type { Mapping } from "../../shared/rule/mapping.ts";
import type { Problem } from "../problem.ts";

/** Returns the ETag of a mapping's state; it differs after every change. */
export function etagOf({ id, revision, changed }: Mapping): string {
  return `"${id}-${revision}-${changed.at.toString(36)}"`;
}

/** Returns true if `If-Match` is absent or names this ETag (RFC 9110 section 13.1.1; strong comparison). */
export function matches(ifMatch: string | undefined, etag: string): boolean {
  if (ifMatch === undefined || ifMatch.trim() === "*") return true;
  return ifMatch.split(",").some((each) => each.trim() === etag);
}

/** The refusal of a change to a mapping that was changed after the client read it. */
export function mappingChanged(mapping: Mapping): Problem {
  const { endpoint, changed } = mapping;
  return {
    status: 412,
    code: "changed-meanwhile",
    title: "Changed since it was read",
    detail: `${endpoint} was changed by ${changed.by} at ${new Date(changed.at).toISOString()}, after it was read.`,
    fix: `Read it again, then repeat the change: sallyport map show ${endpoint}`,
  };
}
