import type { FlatHeaders } from "./head.ts";
import { asServersRead, spoofable, type Spoofable } from "./spoofable.ts";

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
  /** Whether a trusted proxy sent it, which may tell the target who the visitor is. */
  fromProxy: boolean;
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
    if (listed?.has(name) === true || !passes(classOf(name), rules)) continue;
    // There is one expectation that servers know (RFC 9110 section 10.1.1).
    if (name === "expect" && !(rules.expects && value.toLowerCase() === "100-continue")) continue;
    if (rules.upgrade && HANDSHAKE.has(name)) continue;
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

/** `framing`: written by each hop itself. `cloudflare`: only Cloudflare's to say. `plain`: the visitor's own. */
type HeaderClass = Spoofable | "framing" | "cloudflare" | "plain";

/** What names were found to be: a request has twenty of them, and nearly always the same. */
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
  // `Transfer_Encoding` frames nothing here, and may well for the target.
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
