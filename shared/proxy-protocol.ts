import { addressOf, parseAddress, type Address } from "./address/address.ts";
import { splitHostPort } from "./address/socket-address.ts";

// The PROXY protocol, versions 1 and 2: a header with the client's real address before a connection's first byte
// (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt).

export type ProxyVersion = "v1" | "v2";
export type Place = { address: string; port: number };

const SIGNATURE = Uint8Array.of(0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a);
const V2_HEAD = 16;
/** Most bytes of a version 1 line, and of a version 2 header that is read here: addresses and a few extensions. */
const MAX_V1 = 107;
const MAX_V2 = V2_HEAD + 1024;

/** Makes the header for a visitor (`ip:port`, or an address alone); UNKNOWN or LOCAL if the address can't be parsed. */
export function proxyHeader(version: ProxyVersion, visitor: string, destination: Place): Uint8Array {
  const split = splitHostPort(visitor);
  const source = parseAddress(split?.host ?? visitor);
  const local = parseAddress(destination.address);
  const port = split?.port === undefined ? 0 : portOf(split.port);
  if (!source.ok || port === undefined)
    return version === "v1" ? new TextEncoder().encode("PROXY UNKNOWN\r\n") : v2(undefined);
  // Both addresses must be of one family, the visitor's.
  const unspecified = addressOf(source.value.bytes.map(() => 0));
  const to = local.ok && local.value.version === source.value.version ? local.value : unspecified;
  const ports = { from: port, to: destination.port };
  if (version === "v2") return v2({ from: source.value, to, ports });
  const family = source.value.version === 4 ? "TCP4" : "TCP6";
  return new TextEncoder().encode(`PROXY ${family} ${source.value.text} ${to.text} ${ports.from} ${ports.to}\r\n`);
}

function v2(who: { from: Address; to: Address; ports: { from: number; to: number } } | undefined): Uint8Array {
  const body = who === undefined ? 0 : who.from.bytes.length * 2 + 4;
  const bytes = new Uint8Array(V2_HEAD + body);
  const view = new DataView(bytes.buffer);
  bytes.set(SIGNATURE);
  view.setUint8(12, who === undefined ? 0x20 : 0x21);
  view.setUint8(13, who === undefined ? 0x00 : who.from.version === 4 ? 0x11 : 0x21);
  view.setUint16(14, body);
  if (who === undefined) return bytes;
  bytes.set(who.from.bytes, V2_HEAD);
  bytes.set(who.to.bytes, V2_HEAD + who.from.bytes.length);
  view.setUint16(bytes.byteLength - 4, who.ports.from);
  view.setUint16(bytes.byteLength - 2, who.ports.to);
  return bytes;
}

/** `more`: the header is not complete yet. `source` is null when a balancer connects for itself (LOCAL, UNKNOWN). */
export type ReadHeader =
  | { kind: "done"; bytes: number; source: { address: Address; port: number } | null }
  | { kind: "more" }
  | { kind: "bad" };

/** Reads the header at the start of a connection. Never throws. */
export function readProxyHeader(bytes: Uint8Array): ReadHeader {
  if (bytes.byteLength === 0) return { kind: "more" };
  return bytes[0] === SIGNATURE[0] ? readV2(bytes) : readV1(bytes);
}

function readV1(bytes: Uint8Array): ReadHeader {
  const line = new TextDecoder("latin1").decode(bytes.subarray(0, MAX_V1));
  const end = line.indexOf("\r\n");
  if (end < 0)
    return "PROXY ".startsWith(line.slice(0, 6)) && line.length < MAX_V1 ? { kind: "more" } : { kind: "bad" };
  const words = line.slice(0, end).split(" ");
  if (words[0] !== "PROXY") return { kind: "bad" };
  if (words[1] === "UNKNOWN") return { kind: "done", bytes: end + 2, source: null };
  const [, family, from = "", to = "", fromPort = "", toPort = "", ...rest] = words;
  const [source, destination] = [parseAddress(from), parseAddress(to)];
  const version = family === "TCP4" ? 4 : family === "TCP6" ? 6 : undefined;
  const port = portOf(fromPort);
  if (version === undefined || rest.length > 0 || !source.ok || !destination.ok) return { kind: "bad" };
  if (port === undefined || portOf(toPort) === undefined) return { kind: "bad" };
  // A mapped IPv4 address in TCP6 is that IPv4 address.
  if (version === 4 && source.value.version !== 4) return { kind: "bad" };
  return { kind: "done", bytes: end + 2, source: { address: source.value, port } };
}

function readV2(bytes: Uint8Array): ReadHeader {
  const known = Math.min(bytes.byteLength, SIGNATURE.byteLength);
  for (let at = 0; at < known; at += 1) if (bytes[at] !== SIGNATURE[at]) return { kind: "bad" };
  if (bytes.byteLength < V2_HEAD) return { kind: "more" };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const command = view.getUint8(12);
  const family = view.getUint8(13);
  const total = V2_HEAD + view.getUint16(14);
  if ((command !== 0x20 && command !== 0x21) || total > MAX_V2) return { kind: "bad" };
  if (bytes.byteLength < total) return { kind: "more" };
  if (command === 0x20) return { kind: "done", bytes: total, source: null };
  const size = family === 0x11 ? 4 : family === 0x21 ? 16 : undefined;
  if (size === undefined) return family === 0x00 ? { kind: "done", bytes: total, source: null } : { kind: "bad" };
  if (total < V2_HEAD + size * 2 + 4) return { kind: "bad" };
  const address = addressOf([...bytes.subarray(V2_HEAD, V2_HEAD + size)]);
  return { kind: "done", bytes: total, source: { address, port: view.getUint16(V2_HEAD + size * 2) } };
}

function portOf(text: string): number | undefined {
  return /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65535 ? Number(text) : undefined;
}
