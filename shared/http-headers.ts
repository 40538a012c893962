import type { FlatHeaders } from "./http-head.ts";

// What of a message's headers goes through. Framing and the connection are each hop's own: every message is framed anew.

/** Of one connection only (RFC 9110 section 7.6.1), in either direction. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-authentication-info",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
]);

/** What only we tell a target: sent by visitors, it is dropped. Written with hyphens; `_` counts as one, as WSGI and PHP read it. */
const OURS: ReadonlySet<string> = new Set([
  "forwarded",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-port",
  "x-forwarded-prefix",
  "x-forwarded-proto",
  "x-forwarded-protocol",
  "x-forwarded-scheme",
  "x-forwarded-server",
  "x-forwarded-ssl",
  "x-forwarded-by",
  "x-forwarded",
  "x-client-ip",
  "x-cluster-client-ip",
  "x-original-forwarded-for",
  "x-original-host",
  "x-original-url",
  "x-real-ip",
  "x-rewrite-url",
  "x-scheme",
  "x-url-scheme",
  "front-end-https",
  "true-client-ip",
  "cdn-loop",
]);

/** The handshake of a WebSocket is each hop's own, but for the sub-protocols offered and chosen. */
const HANDSHAKE: ReadonlySet<string> = new Set([
  "sec-websocket-accept",
  "sec-websocket-extensions",
  "sec-websocket-key",
  "sec-websocket-version",
]);

export type RequestRules = {
  /** On Cloudflare, CF-* come from Cloudflare; self-hosted, from whoever sent them. */
  trustCf: boolean;
  upgrade: boolean;
  /** Whether the visitor waits for 100 before its body. */
  expects: boolean;
};

/** The headers of a visitor's request that a target may see, in lower case; Host is told apart. */
export function requestHeaders(
  headers: Iterable<[string, string]>,
  connection: string | null,
  rules: RequestRules,
): string[] {
  const listed = connectionListed(connection);
  const carried: string[] = [];
  for (const [name, value] of headers) {
    if (name === "host" || HOP_BY_HOP.has(name) || listed?.has(name) === true) continue;
    // Of expectations there is one that anybody knows (RFC 9110 section 10.1.1).
    if (name === "expect" && !(rules.expects && value.toLowerCase() === "100-continue")) continue;
    if (rules.upgrade && HANDSHAKE.has(name)) continue;
    if (isReserved(name, rules.trustCf)) continue;
    carried.push(name, value);
  }
  return carried;
}

/** The headers of a target's response that a visitor may see. `names` may be in any case; the answer's are lower. */
export function responseHeaders(raw: FlatHeaders, upgraded: boolean): string[] {
  let connection = "";
  for (let at = 0; at < raw.length; at += 2)
    if (raw[at]?.toLowerCase() === "connection") connection += `${raw[at + 1]},`;
  const listed = connectionListed(connection);
  const carried: string[] = [];
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at]?.toLowerCase() ?? "";
    if (HOP_BY_HOP.has(name) || listed?.has(name) === true) continue;
    if (upgraded && (HANDSHAKE.has(name) || name === "content-length")) continue;
    carried.push(name, raw[at + 1] ?? "");
  }
  return carried;
}

/** Names that `Connection` makes hop-by-hop. Those of the framing stay: a visitor must not be able to take them away. */
function connectionListed(connection: string | null): ReadonlySet<string> | null {
  if (connection === null || connection === "") return null;
  const names = connection
    .toLowerCase()
    .split(",")
    .map((name) => name.trim());
  return new Set(names.filter((name) => name !== "content-length" && name !== "host"));
}

function isReserved(name: string, trustCf: boolean): boolean {
  // Nearly all names start with something else: one look decides.
  const plain = name.includes("_") ? name.replaceAll("_", "-") : name;
  switch (plain.charCodeAt(0)) {
    case 0x63: // c
      return (plain.startsWith("cf-") && (!trustCf || plain !== name)) || plain === "cdn-loop";
    case 0x66: // f
      return plain === "forwarded" || plain === "front-end-https";
    case 0x74: // t
      return plain === "true-client-ip";
    case 0x78: // x
      return plain.startsWith("x-sallyport-") || OURS.has(plain);
    default:
      return false;
  }
}
