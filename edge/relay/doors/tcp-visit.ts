import type { Caps } from "../../../shared/rule/claims.ts";

// How the Worker describes a TCP visitor to a relay. The relay sees nothing but the name in `stub.connect(name)`, which may have about
// 253 characters of a host name (measured, workerd 2026-10-23).

/**
 * A TCP visitor. `endpoint` is the concrete key (`10003/udp`), `visitor` is `ip:port`. `token`: the `jti` of a token that the Worker
 * has checked and that opens the endpoint of mapping `judged`. Such a visitor comes by raw WebSocket and is notified of a broken
 * stream, which a public TCP socket can't be.
 */
export type TcpVisit = { endpoint: string; visitor: string; token?: string; caps?: Caps; judged?: number };

export function encodeVisit({ endpoint, visitor, token = "", caps = {}, judged = 0 }: TcpVisit): string {
  const { streams = "", bytes = "" } = caps;
  const parts = [escape(endpoint), escape(visitor), escape(token), streams, bytes];
  return judged === 0 ? `${parts.join(".")}.v3:1` : `${[...parts, judged].join(".")}.v4:1`;
}

/** Decodes the name that `encodeVisit` wrote; null for anything else. */
export function decodeVisit(name: string): TcpVisit | null {
  const match = /^([a-z0-9_-]*)\.([a-z0-9_-]*)\.([a-z0-9_-]*)\.(\d*)\.(\d*)(?:\.v3|\.(\d+)\.v4):1$/.exec(name);
  if (match === null) return null;
  const [endpoint = "", visitor = "", token = "", streams = "", bytes = "", judged = ""] = match
    .slice(1)
    .map((part: string | undefined) => unescape(part ?? ""));
  if (token === "") return { endpoint, visitor };
  return { endpoint, visitor, token, caps: capsOf(streams, bytes), judged: Number(judged) };
}

/** Parses caps from their two numbers; "" means none. */
export function capsOf(streams: string, bytes: string): Caps {
  return { ...(streams === "" ? {} : { streams: Number(streams) }), ...(bytes === "" ? {} : { bytes: Number(bytes) }) };
}

/** Writes each character that a host name can't have as `_` and two hexadecimal digits. */
function escape(text: string): string {
  return text.replace(/[^a-z0-9-]/g, (character) => `_${character.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

function unescape(text: string): string {
  return text.replace(/_([0-9a-f]{2})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
}
