import http from "node:http";
import type { RequestHead } from "../../shared/http/head.ts";
import type { HttpTarget } from "./http-pools.ts";

/** Returns the Host header for the target, as the mapping's options say. */
export function hostFor(head: RequestHead, { options, pool }: HttpTarget): string {
  switch (options.hostHeader) {
    case "visitor":
      return head.host;
    case "target":
      return pool.authority;
    default:
      return options.hostHeader;
  }
}

/** Returns path and query for the target, without the mapping's prefix. */
export function pathFor(head: RequestHead, { options }: HttpTarget): string {
  const { prefix } = options;
  if (prefix === "" || !head.path.startsWith(prefix)) return head.path;
  const rest = head.path.slice(prefix.length);
  return rest.startsWith("/") ? rest : `/${rest}`;
}

/** Returns the headers for the target, except those of the framing. */
export function headersFor(head: RequestHead, httpTarget: HttpTarget): string[] {
  const headers = ["Host", hostFor(head, httpTarget), ...head.headers];
  if (httpTarget.options.prefix !== "") headers.push("x-forwarded-prefix", httpTarget.options.prefix);
  return headers;
}

/** Begins a request. Its body is to be written to the result. */
export function requestToTarget(head: RequestHead, httpTarget: HttpTarget): http.ClientRequest {
  const headers = headersFor(head, httpTarget);
  // Framing is written only here: one length, or chunks, or neither.
  if (head.framing === "open") headers.push("Transfer-Encoding", "chunked");
  else if (head.framing === "none" && !LENGTHLESS.has(head.method) && !head.headers.includes("content-length"))
    headers.push("Content-Length", "0");
  headers.push("Connection", "keep-alive");
  return http.request({
    agent: httpTarget.pool,
    method: head.method,
    path: pathFor(head, httpTarget),
    // As a flat array, Node writes them as they are and adds none.
    headers,
    setHost: false,
    maxHeaderSize: MAX_RESPONSE_HEAD,
    insecureHTTPParser: false,
  });
}

/** Limit in bytes on a response head: twice that of a request, because of cookies and policies. */
export const MAX_RESPONSE_HEAD = 31 * 1024;

/**
 * Methods for which Node writes no framing when there is no body. Requests of other methods get a length of 0, because
 * Node would write chunks, which servers take for a body: Apache answers MKCOL with 415.
 */
const LENGTHLESS: ReadonlySet<string> = new Set(["GET", "HEAD", "DELETE", "OPTIONS", "TRACE"]);
