import { SessionError } from "./errors.ts";

// The fixed header of every frame (docs/protocol.md section 2).
//
//  0        1        2        3        4                         8
// +--------+--------+--------+--------+-------------------------+
// | type   | flags  | lane   | 0      | channel u32             |
// +--------+--------+--------+--------+-------------------------+
// | slot u32                          | stream u64           ...
// +-----------------------------------+-------------------------+
//  ...                                | offset u64           ...
// +-----------------------------------+-------------------------+
//  ...                                | payload, to the end     |
// +-----------------------------------+-------------------------+

export const HEADER_BYTES = 28;

/** Bytes that a chunk leaves free before its own, so that header and acknowledgement can be written there without a copy. */
export const HEADROOM = HEADER_BYTES + 8;

export const FLAG_ACK = 1;
export const FLAG_MORE = 2;

export const TYPE = {
  HELLO: 0x01,
  WELCOME: 0x02,
  REDIRECT: 0x03,
  ROUTES: 0x04,
  BUDGET: 0x05,
  MARK: 0x06,
  GOAWAY: 0x07,
  CUT: 0x08,
  RENEW: 0x09,
  REPORT: 0x0a,
  AWAY: 0x0b,
  SESSION: 0x10,
  WINDOW: 0x11,
  RESUME: 0x12,
  RESUMED: 0x13,
  NUDGE: 0x14,
  END: 0x15,
  OPEN: 0x20,
  DIAL: 0x21,
  ACCEPT: 0x22,
  REJECT: 0x23,
  DATA: 0x24,
  FIN: 0x25,
  RESET: 0x26,
  CREDIT: 0x27,
  ASK: 0x28,
  DGRAM: 0x30,
  UNKNOWN_FLOW: 0x31,
  BATCH: 0x40,
} as const;

/** Types that two ends agree on. Relays forward them unread. */
export const AGREED = {
  /** The answer to a DGRAM with ACK, between ends that read times in DGRAM. */
  ARRIVED: 0xe0,
} as const;

export type TypeName = keyof typeof TYPE;
export type TypeCode = (typeof TYPE)[TypeName];

const NAMES = new Map<number, TypeName>(Object.entries(TYPE).map(([name, code]) => [code, name as TypeName]));

/** Names a type for messages and logs. */
export function typeName(type: number): string {
  return NAMES.get(type) ?? `0x${type.toString(16)}`;
}

/** Whether a type is in the range that relays forward unread. */
export function isReserved(type: number): boolean {
  return type >= 0xe0 && type <= 0xef;
}

export type Header = {
  type: number;
  flags: number;
  lane: number;
  channel: number;
  slot: number;
  stream: number;
  offset: number;
};

export type Frame = Header & { payload: Uint8Array };

const TWO_32 = 0x1_0000_0000;
const HIGH_LIMIT = 0x20_0000; // 2^21: the high word of 2^53

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Reads a u64. Throws SessionError(protocol) for 2^53 or more. */
export function readU64(view: DataView, at: number): number {
  const high = view.getUint32(at);
  if (high >= HIGH_LIMIT) throw new SessionError("protocol", "a 64-bit number is 2^53 or more");
  return high * TWO_32 + view.getUint32(at + 4);
}

export function writeU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, Math.floor(value / TWO_32));
  view.setUint32(at + 4, value % TWO_32);
}

/** Decodes one message. The payload is a view, not a copy. Throws SessionError(protocol) on anything that is not a frame. */
export function decodeFrame(bytes: Uint8Array): Frame {
  if (bytes.byteLength < HEADER_BYTES) {
    throw new SessionError("protocol", `a frame of ${bytes.byteLength} bytes is shorter than its header`);
  }
  const view = viewOf(bytes);
  const type = view.getUint8(0);
  const flags = view.getUint8(1);
  if (!NAMES.has(type) && !isReserved(type)) throw new SessionError("protocol", `unknown frame type ${typeName(type)}`);
  if ((flags & ~(FLAG_ACK | FLAG_MORE)) !== 0) throw new SessionError("protocol", `unknown flags in ${typeName(type)}`);
  if (view.getUint8(3) !== 0) throw new SessionError("protocol", `byte 3 of ${typeName(type)} is not 0`);
  return {
    type,
    flags,
    lane: view.getUint8(2),
    channel: view.getUint32(4),
    slot: view.getUint32(8),
    stream: readU64(view, 12),
    offset: readU64(view, 20),
    payload: bytes.subarray(HEADER_BYTES),
  };
}

/** Writes a header at the start of `bytes`, which must hold HEADER_BYTES. */
export function writeHeader(bytes: Uint8Array, header: Header): void {
  const view = viewOf(bytes);
  view.setUint8(0, header.type);
  view.setUint8(1, header.flags);
  view.setUint8(2, header.lane);
  view.setUint8(3, 0);
  view.setUint32(4, header.channel);
  view.setUint32(8, header.slot);
  writeU64(view, 12, header.stream);
  writeU64(view, 20, header.offset);
}

const EMPTY = new Uint8Array(0);

/** Encodes a frame. Copies the payload, so it is not for DATA. */
export function encodeFrame(header: Partial<Header> & { type: number }, payload: Uint8Array = EMPTY): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + payload.byteLength);
  // Fields by name, and no spread: an object made by spreading has a hidden class of its own, which only a full garbage collection frees.
  const { type, flags = 0, lane = 0, channel = 0, slot = 0, stream = 0, offset = 0 } = header;
  writeHeader(bytes, { type, flags, lane, channel, slot, stream, offset });
  bytes.set(payload, HEADER_BYTES);
  return bytes;
}

/** Overwrites the sender's channel or slot in a frame that a relay forwards. */
export function stamp(bytes: Uint8Array, sender: { channel?: number; slot?: number }): void {
  const view = viewOf(bytes);
  if (sender.channel !== undefined) view.setUint32(4, sender.channel);
  if (sender.slot !== undefined) view.setUint32(8, sender.slot);
}
