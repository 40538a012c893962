import type { Caps } from "../../../shared/rule/claims.ts";

// How the Worker tells a relay who is at the door: the relay sees nothing of a visitor but the name it is connected by
// (`stub.connect(name)`; hostname characters, about 253 of them; measured, workerd 2026-10-23).

/**
 * `endpoint` is the concrete key (`10003/udp`), `visitor` is `ip:port`. `token`: the `jti` of a token that has been found
 * to open the endpoint of mapping `judged`; such a visitor is told when its stream breaks, as a socket of the Worker's can't be.
 */
export type TcpVisit = { endpoint: string; visitor: string; token?: string; caps?: Caps; judged?: number };

export function encodeVisit({ endpoint, visitor, token = "", caps = {}, judged = 0 }: TcpVisit): string {
  const { streams = "", bytes = "" } = caps;
  const parts = [escape(endpoint), escape(visitor), escape(token), streams, bytes];
  return judged === 0 ? `${parts.join(".")}.v3:1` : `${[...parts, judged].join(".")}.v4:1`;
}

/** Null for anything but what `encodeVisit` wrote. */
export function decodeVisit(name: string): TcpVisit | null {
  const match = /^([a-z0-9_-]*)\.([a-z0-9_-]*)\.([a-z0-9_-]*)\.(\d*)\.(\d*)(?:\.v3|\.(\d+)\.v4):1$/.exec(name);
  if (match === null) return null;
  const [endpoint = "", visitor = "", token = "", streams = "", bytes = "", judged = ""] = match
    .slice(1)
    .map((part: string | undefined) => unescape(part ?? ""));
  if (token === "") return { endpoint, visitor };
  return { endpoint, visitor, token, caps: capsOf(streams, bytes), judged: Number(judged) };
}

/** Caps from their two numbers, "" for none. */
export function capsOf(streams: string, bytes: string): Caps {
  return { ...(streams === "" ? {} : { streams: Number(streams) }), ...(bytes === "" ? {} : { bytes: Number(bytes) }) };
}

/** Characters that no host has, as `_` and two hexadecimal digits. */
function escape(text: string): string {
  return text.replace(/[^a-z0-9-]/g, (character) => `_${character.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

function unescape(text: string): string {
  return text.replace(/_([0-9a-f]{2})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
}
