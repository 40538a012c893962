import http from "node:http";
import type { RequestHead } from "../../shared/http/head.ts";
import type { HttpUpstream } from "./http-pools.ts";

/** Host as the mapping wants the target to see it. */
export function hostFor(head: RequestHead, { options, pool }: HttpUpstream): string {
  switch (options.hostHeader) {
    case "visitor":
      return head.host;
    case "target":
      return pool.authority;
    default:
      return options.hostHeader;
  }
}

/** Path and query that the target sees. */
export function pathFor(head: RequestHead, { options }: HttpUpstream): string {
  const { prefix } = options;
  if (prefix === "" || !head.path.startsWith(prefix)) return head.path;
  const rest = head.path.slice(prefix.length);
  return rest.startsWith("/") ? rest : `/${rest}`;
}

/** Headers for the target, but for those of its framing. */
export function headersFor(head: RequestHead, upstream: HttpUpstream): string[] {
  const headers = ["Host", hostFor(head, upstream), ...head.headers];
  if (upstream.options.prefix !== "") headers.push("x-forwarded-prefix", upstream.options.prefix);
  return headers;
}

/** Begins a request; its body is written by the caller. */
export function requestToTarget(head: RequestHead, upstream: HttpUpstream): http.ClientRequest {
  const headers = headersFor(head, upstream);
  // Framing is written here and nowhere else: one length, or chunks, or neither.
  if (head.framing === "open") headers.push("Transfer-Encoding", "chunked");
  else if (head.framing === "none" && !LENGTHLESS.has(head.method) && !head.headers.includes("content-length"))
    headers.push("Content-Length", "0");
  headers.push("Connection", "keep-alive");
  return http.request({
    agent: upstream.pool,
    method: head.method,
    path: pathFor(head, upstream),
    // Flat and raw: Node writes them as they are and adds none.
    headers,
    setHost: false,
    maxHeaderSize: MAX_RESPONSE_HEAD,
    insecureHTTPParser: false,
  });
}

/** Bytes of a response head: twice what a request may have, for cookies and policies. */
export const MAX_RESPONSE_HEAD = 31 * 1024;

/**
 * Methods whose requests Node leaves without framing when there is no body. Those of any other get a length of 0, or
 * it would write chunks, which servers take for a body: Apache answers MKCOL with 415.
 */
const LENGTHLESS: ReadonlySet<string> = new Set(["GET", "HEAD", "DELETE", "OPTIONS", "TRACE"]);
