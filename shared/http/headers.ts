import type { FlatHeaders } from "./head.ts";
import { asServersRead, spoofable, type Spoofable } from "./spoofable.ts";

// The headers of a message that are passed on. Headers of framing and connection are not: each hop writes its own.

/** Headers that concern one connection only (RFC 9110 section 7.6.1), in either direction. */
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

/** Headers of a WebSocket's handshake, which each hop makes itself. Only the sub-protocols offered and chosen are passed on. */
const HANDSHAKE: ReadonlySet<string> = new Set([
  "sec-websocket-accept",
  "sec-websocket-extensions",
  "sec-websocket-key",
  "sec-websocket-version",
]);

export type RequestRules = {
  /** Whether CF-* are trusted: on Cloudflare it sets them; a self-hosted edge gets them from visitors. */
  trustCf: boolean;
  upgrade: boolean;
  /** Whether the visitor waits for 100 before it sends its body. */
  expects: boolean;
  /** Whether the request comes from a trusted proxy, which may state the visitor's identity. */
  fromProxy: boolean;
};

/** Selects the headers of a visitor's request that a target may see, in lower case. Without Host, which is passed separately. */
export function requestHeaders(
  headers: Iterable<[string, string]>,
  connection: string | null,
  rules: RequestRules,
): string[] {
  const listed = connectionListed(connection);
  const carried: string[] = [];
  for (const [name, value] of headers) {
    if (listed?.has(name) === true || !passes(classOf(name), rules)) continue;
    // 100-continue is the only expectation there is (RFC 9110 section 10.1.1).
    if (name === "expect" && !(rules.expects && value.toLowerCase() === "100-continue")) continue;
    if (rules.upgrade && HANDSHAKE.has(name)) continue;
    carried.push(name, value);
  }
  return carried;
}

/**
 * Selects the headers of a target's response that a visitor may see. Names may come in any case; they are returned in lower
 * case.
 */
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

/** Names that `Connection` makes hop-by-hop, except Content-Length and Host: a visitor must not be able to remove these. */
function connectionListed(connection: string | null): ReadonlySet<string> | null {
  if (connection === null || connection === "") return null;
  const names = connection
    .toLowerCase()
    .split(",")
    .map((name) => name.trim());
  return new Set(names.filter((name) => name !== "content-length" && name !== "host"));
}

/** `framing`: each hop writes its own. `cloudflare`: only Cloudflare may send it. `plain`: a visitor may send it. */
type HeaderClass = Spoofable | "framing" | "cloudflare" | "plain";

/** Classes of names seen lately: a request has twenty names, and nearly always the same. */
const classes = new Map<string, HeaderClass>();
const MAX_CLASSES = 1_000;

function classOf(name: string): HeaderClass {
  const before = classes.get(name);
  if (before !== undefined) return before;
  const found = classify(name);
  if (classes.size >= MAX_CLASSES) classes.clear();
  classes.set(name, found);
  return found;
}

function classify(name: string): HeaderClass {
  if (name === "host" || HOP_BY_HOP.has(name)) return "framing";
  if (name.startsWith("cf-")) return "cloudflare";
  const read = asServersRead(name);
  // `Transfer_Encoding` has no meaning here, but a target may read it as Transfer-Encoding.
  if (read !== name && (read === "host" || read === "content-length" || HOP_BY_HOP.has(read))) return "framing";
  return read.startsWith("cf-") ? "route" : (spoofable(read) ?? "plain");
}

function passes(found: HeaderClass, { trustCf, fromProxy }: RequestRules): boolean {
  switch (found) {
    case "framing":
    case "route":
      return false;
    case "identity":
      return fromProxy;
    case "cloudflare":
      return trustCf;
    case "plain":
      return true;
  }
}
