// How the Worker tells a relay who is at the door: the relay sees nothing of a visitor but the name it is connected by
// (`stub.connect(name)`; hostname characters, about 253 of them; measured, workerd 2026-10-23).

/** `endpoint` is the concrete key (`10003/udp`), `visitor` is `ip:port`. */
export type Visit = { endpoint: string; visitor: string };

export function encodeVisit(visit: Visit): string {
  return `${hex(visit.endpoint)}.${hex(visit.visitor)}.v1:1`;
}

/** Null for anything but what `encodeVisit` wrote. */
export function decodeVisit(name: string): Visit | null {
  const match = /^([0-9a-f]*)\.([0-9a-f]*)\.v1:1$/.exec(name);
  if (match === null) return null;
  return { endpoint: unhex(match[1] ?? ""), visitor: unhex(match[2] ?? "") };
}

function hex(text: string): string {
  return [...new TextEncoder().encode(text)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function unhex(text: string): string {
  const pairs = text.match(/../g) ?? [];
  return new TextDecoder().decode(Uint8Array.from(pairs, (pair) => Number.parseInt(pair, 16)));
}
