import { fault, ok, quote, type Result } from "../result.ts";

/**
 * One IP address by value. Two addresses are the same if `text` is: it is dotted decimal or RFC 5952.
 * `bytes` has 4 or 16 entries, in network order.
 */
export interface Address {
  readonly version: 4 | 6;
  readonly bytes: readonly number[];
  readonly text: string;
}

/** Characters of the longest form: six groups of four digits and a dotted decimal tail. */
const MAX_LENGTH = 45;

/**
 * Parses `192.168.2.101` or `2001:db8::5`, and nothing else: no octal, hexadecimal or short IPv4, no brackets, no zone.
 * A dual-stack socket calls an IPv4 peer by an IPv4-mapped address (`::ffff:10.0.0.1`), so that becomes the IPv4 address.
 * Other forms that contain an IPv4 address stay IPv6: disguise.ts handles them.
 */
export function parseAddress(text: string): Result<Address> {
  if (text.includes("%")) {
    return fault(
      "bad-address",
      `${quote(text)} has a zone.`,
      "Use an address without %zone: zones mean nothing to another machine.",
    );
  }
  const bytes = text.length > MAX_LENGTH ? undefined : text.includes(":") ? ipv6Bytes(text) : ipv4Bytes(text);
  if (bytes) return ok(addressOf(bytes));
  return fault(
    "bad-address",
    `${quote(text)} is not an IP address.`,
    "Write IPv4 as four decimal numbers, or IPv6 without brackets.",
  );
}

/** Makes an address of 4 or 16 bytes; an IPv4-mapped one becomes the IPv4 address. */
export function addressOf(bytes: readonly number[]): Address {
  if (bytes.length === 4) return { version: 4, bytes, text: bytes.join(".") };
  if (isMapped(bytes)) return addressOf(bytes.slice(12));
  return { version: 6, bytes, text: ipv6Text(bytes) };
}

/** Whether the first `bits` bits of both are equal. Lengths must match: IPv4 is never inside IPv6. */
export function samePrefix(a: readonly number[], b: readonly number[], bits: number): boolean {
  if (a.length !== b.length) return false;
  const whole = bits >> 3;
  for (let index = 0; index < whole; index++) if (a[index] !== b[index]) return false;
  const rest = bits & 7;
  return rest === 0 || ((a[whole] ?? 0) ^ (b[whole] ?? 0)) >> (8 - rest) === 0;
}

/** The bytes with everything after the first `bits` bits zero. */
export function prefixOf(bytes: readonly number[], bits: number): number[] {
  return bytes.map((byte, index) => byte & (0xff << Math.min(8, Math.max(0, 8 * (index + 1) - bits))) & 0xff);
}

/** Names the source that an address counts for: itself, or the /64 of an IPv6 one, because one host has a whole /64. */
export function sourceBucket(address: Address): string {
  if (address.version === 4) return address.text;
  return `${ipv6Text(prefixOf(address.bytes, 64))}/64`;
}

function isMapped(bytes: readonly number[]): boolean {
  return bytes.every((byte, index) => index >= 12 || byte === (index < 10 ? 0 : 0xff));
}

function ipv4Bytes(text: string): number[] | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  if (!parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255)) return undefined;
  return parts.map(Number);
}

function ipv6Bytes(text: string): number[] | undefined {
  // RFC 4291 section 2.2: the last two groups may be dotted decimal.
  const dotted = /^(.*:)([\d.]+\.[\d.]+)$/.exec(text);
  const tail = dotted ? ipv4Bytes(dotted[2] ?? "") : [];
  if (!tail) return undefined;
  const head = dotted ? (dotted[1] ?? "") : text;
  // Before dotted decimal the separating colon stays behind, except where it is half of `::`.
  const groups = tail.length > 0 && !head.endsWith("::") ? head.slice(0, -1) : head;
  const halves = groups.split("::");
  if (halves.length > 2) return undefined;
  const [left, right] = halves.map(groupBytes);
  if (!left) return undefined;
  if (halves.length === 1) return left.length + tail.length === 16 ? [...left, ...tail] : undefined;
  if (!right) return undefined;
  const zeros = 16 - left.length - right.length - tail.length;
  return zeros >= 2 ? [...left, ...Array<number>(zeros).fill(0), ...right, ...tail] : undefined;
}

/** `2001:db8` to its bytes; no text is no bytes. */
function groupBytes(text: string): number[] | undefined {
  if (text === "") return [];
  const groups = text.split(":");
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  return groups.map((group) => parseInt(group, 16)).flatMap((value) => [value >> 8, value & 0xff]);
}

/** RFC 5952: lower case, no leading zeros, the first longest run of two or more zero groups as `::`. */
function ipv6Text(bytes: readonly number[]): string {
  const groups = Array.from({ length: 8 }, (_, index) => ((bytes[2 * index] ?? 0) << 8) | (bytes[2 * index + 1] ?? 0));
  let start = 0;
  let length = 0;
  for (let from = 0; from < 8; from++) {
    let to = from;
    while (groups[to] === 0) to++;
    if (to - from > length) [start, length] = [from, to - from];
  }
  const hex = groups.map((group) => group.toString(16));
  if (length < 2) return hex.join(":");
  return `${hex.slice(0, start).join(":")}::${hex.slice(start + length).join(":")}`;
}
