import type { Caps } from "../../../shared/rule/claims.ts";
import { capsOf } from "./tcp-visit.ts";

// How the Worker tells a relay of a request at one of the site's hosts. All of it is in the URL, which visitors have no
// part in, so that their headers go over as they are: copying them would cost more than anything else here.

const BASE = "http://visit/?";

export type HttpVisit = {
  /** The mapping's own endpoint. */
  endpoint: string;
  /** `ip:port`. */
  visitor: string;
  scheme: "http" | "https";
  /** HOST[:PORT] as asked for, canonical. */
  host: string;
  port: number;
  /** Path and query, as received. */
  path: string;
  /** Trusted proxies between the visitor and the edge, nearest to the visitor first. */
  via: string[];
  /** `jti` of the token it came with; "" for none. */
  token: string;
  /** The mapping that this token has been found to open; 0 without one. */
  judged: number;
  /** The caps of that token. */
  caps: Caps;
  /** When that token ends, in milliseconds since 1970; null without one. */
  until: number | null;
  /** By which the Worker asks when to break off the WebSocket that this may become; "" when it won't. */
  key: string;
};

export function encodeHttpVisit(visit: HttpVisit): string {
  const { endpoint, visitor, scheme, host, port, path, via, token, judged, caps, until, key } = visit;
  const parts = [
    endpoint,
    visitor,
    scheme,
    host,
    String(port),
    via.join(","),
    token,
    until ?? "",
    key,
    String(caps.streams ?? ""),
    String(caps.bytes ?? ""),
    path,
    judged === 0 ? "" : String(judged),
  ];
  return BASE + parts.map((part) => encodeURIComponent(part)).join("&");
}

/** Undefined for any other URL. */
export function decodeHttpVisit(url: string): HttpVisit | undefined {
  if (!url.startsWith(BASE)) return undefined;
  const parts = url
    .slice(BASE.length)
    .split("&")
    .map((part) => decodeURIComponent(part));
  const [endpoint = "", visitor = "", scheme, host = "", port, via = "", token = "", until = "", key = "", ...rest] =
    parts;
  const [streams = "", bytes = "", path = "/", judged = ""] = rest;
  return {
    endpoint,
    visitor,
    scheme: scheme === "https" ? "https" : "http",
    host,
    port: Number(port),
    path,
    via: via === "" ? [] : via.split(","),
    token,
    judged: Number(judged),
    caps: capsOf(streams, bytes),
    until: until === "" ? null : Number(until),
    key,
  };
}
