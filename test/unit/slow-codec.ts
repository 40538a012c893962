import type { Header } from "../../shared/wire/frame.ts";
import type { FieldValue } from "../../shared/wire/fields.ts";

// docs/protocol.md sections 2 and 3 once more, in hexadecimal text: slow, and too plain to be wrong in the same way.

export type SlowFrame = Header & { payload: Uint8Array };

export const HEADER_DIGITS = 56;

export function hexOf(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16));
}

/** A whole message. */
export function slowEncode(frame: SlowFrame): string {
  return [
    unsigned(frame.type, 1),
    unsigned(frame.flags, 1),
    unsigned(frame.lane, 1),
    "00",
    unsigned(frame.channel, 4),
    unsigned(frame.slot, 4),
    unsigned(frame.stream, 8),
    unsigned(frame.offset, 8),
    hexOf(frame.payload),
  ].join("");
}

/** The frame, or undefined when the message is none. */
export function slowDecode(hex: string): SlowFrame | undefined {
  if (hex.length < HEADER_DIGITS) return undefined;
  const number = (first: number, bytes: number): bigint => BigInt(`0x${hex.slice(first * 2, (first + bytes) * 2)}`);
  const type = Number(number(0, 1));
  const known = TYPES.has(type) || hex.startsWith("e");
  if (!known || !["00", "01", "02", "03"].includes(hex.slice(2, 4)) || hex.slice(6, 8) !== "00") return undefined;
  if (number(12, 8) >= 2n ** 53n || number(20, 8) >= 2n ** 53n) return undefined;
  return {
    type,
    flags: Number(number(1, 1)),
    lane: Number(number(2, 1)),
    channel: Number(number(4, 4)),
    slot: Number(number(8, 4)),
    stream: Number(number(12, 8)),
    offset: Number(number(20, 8)),
    payload: bytesOf(hex.slice(HEADER_DIGITS)),
  };
}

/** Entries of a BATCH, as a payload. */
export function slowBatch(frames: readonly SlowFrame[]): string {
  return frames
    .map(({ type, flags, stream, offset, payload }) =>
      [
        unsigned(type, 1),
        unsigned(flags, 1),
        unsigned(payload.length, 2),
        unsigned(stream, 8),
        unsigned(offset, 8),
        hexOf(payload),
      ].join(""),
    )
    .join("");
}

/** A payload marked "fields". */
export function slowFields(values: Readonly<Record<number, FieldValue>>): string {
  return Object.entries(values)
    .filter(([, value]) => value !== undefined)
    .map(([tag, value]) => {
      const digits = typeof value === "number" ? shortest(value) : hexOf(asBytes(value));
      return unsigned(Number(tag), 1) + unsigned(digits.length / 2, 2) + digits;
    })
    .join("");
}

function asBytes(value: FieldValue): Uint8Array {
  return typeof value === "string" ? new TextEncoder().encode(value) : (value as Uint8Array);
}

function shortest(value: number): string {
  if (value === 0) return "";
  const digits = BigInt(value).toString(16);
  return digits.padStart(digits.length + (digits.length % 2), "0");
}

function unsigned(value: number, bytes: number): string {
  return BigInt(value)
    .toString(16)
    .padStart(bytes * 2, "0");
}

/** Section 3's table, written out again. */
const TYPES = new Set([
  ...[0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b],
  ...[0x10, 0x11, 0x12, 0x13, 0x14, 0x15],
  ...[0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28],
  ...[0x30, 0x31, 0x40],
]);
