import { setsOurCookie } from "../../../shared/http/credentials.ts";
import { utf8Text, type ResponseHead } from "../../../shared/http/head.ts";

/**
 * Returns the headers of the target's response, without those that the platform writes itself. A record if no name occurs twice,
 * else pairs: taking pairs out of arrays is 4 % of all that workerd does for a request (measured 2026-11-22).
 */
export function headersOf(head: ResponseHead): Record<string, string> | [string, string][] {
  const { status, headers } = head;
  const record = Object.create(null) as Record<string, string>;
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? "";
    if (name in record) return pairsOf(head);
    const value = headers[at + 1] ?? "";
    if (isDropped(name, value, status)) continue;
    record[name] = utf8Text(value);
  }
  return record;
}

function pairsOf({ status, headers }: ResponseHead): [string, string][] {
  const out: [string, string][] = [];
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? "";
    const value = headers[at + 1] ?? "";
    if (!isDropped(name, value, status)) out.push([name, utf8Text(value)]);
  }
  return out;
}

/** Whether a header is dropped: the platform writes the framing itself, and a target must not overwrite the edge's cookies. */
function isDropped(name: string, value: string, status: number): boolean {
  if (name === "content-length") return status === 204 || status === 304;
  return name === "set-cookie" && setsOurCookie(value);
}

/** Returns the target's reason phrase; "" if the platform can't write it. */
export function reasonOf({ reason }: ResponseHead): string {
  return /^[\t\x20-\x7e]*$/.test(reason) ? reason : "";
}
