import fc from "fast-check";
import { expect, test } from "vitest";
import { SessionError } from "../../shared/wire/errors.ts";
import {
  decodeFrame,
  encodeFrame,
  HEADER_BYTES,
  isReserved,
  stamp,
  TYPE,
  typeName,
  writeHeader,
  type Header,
} from "../../shared/wire/frame.ts";
import { MAX_DATA, MAX_FRAME } from "../../shared/wire/limits.ts";
import { bytesOf, hexOf, slowDecode, slowEncode } from "./slow-codec.ts";

const MOST = Number.MAX_SAFE_INTEGER;

/** Messages and what they mean: docs/protocol.md section 2, byte by byte. */
const TABLE: [name: string, hex: string, frame: Header & { payload: string }][] = [
  [
    "MARK, all else zero",
    "06 00 00 00  00000000 00000000  0000000000000000  0000000000010000",
    { type: 0x06, flags: 0, lane: 0, channel: 0, slot: 0, stream: 0, offset: 65_536, payload: "" },
  ],
  [
    "DATA with an acknowledgement",
    "24 01 02 00  00000003 0000000c  0000000000000005  0000000000000400  0000000000000007 6869",
    { type: 0x24, flags: 1, lane: 2, channel: 3, slot: 12, stream: 5, offset: 1024, payload: "00000000000000076869" },
  ],
  [
    "RESUMED, another page follows",
    "13 02 0f 00  ffffffff fffffffe  0000000000000000  0000000000000009  0001",
    { type: 0x13, flags: 2, lane: 15, channel: 2 ** 32 - 1, slot: 2 ** 32 - 2, stream: 0, offset: 9, payload: "0001" },
  ],
  [
    "the largest numbers",
    "27 03 ff 00  00000000 00000000  001fffffffffffff  001fffffffffffff",
    { type: 0x27, flags: 3, lane: 255, channel: 0, slot: 0, stream: MOST, offset: MOST, payload: "" },
  ],
  [
    "a word that crosses 32 bits",
    "25 00 00 00  00000000 00000000  0000000100000000  00000001ffffffff",
    { type: 0x25, flags: 0, lane: 0, channel: 0, slot: 0, stream: 2 ** 32, offset: 2 ** 33 - 1, payload: "" },
  ],
  [
    "a type that relays forward blindly",
    "e7 00 00 00  00000001 00000002  0000000000000003  0000000000000004  ff",
    { type: 0xe7, flags: 0, lane: 0, channel: 1, slot: 2, stream: 3, offset: 4, payload: "ff" },
  ],
];

test.each(TABLE)("%s: reads and writes as it is drawn", (_name, spaced, { payload, ...header }) => {
  const hex = spaced.replaceAll(" ", "");
  expect(decodeFrame(bytesOf(hex))).toEqual({ ...header, payload: bytesOf(payload) });
  expect(hexOf(encodeFrame(header, bytesOf(payload)))).toBe(hex);
});

const REFUSED: [name: string, hex: string, message: RegExp][] = [
  ["nothing at all", "", /0 bytes/],
  ["a byte less than a header", "06".padEnd(54, "0"), /27 bytes/],
  ["type 0", "00".padEnd(56, "0"), /unknown frame type/],
  ["type 0x0c, after the lane frames", "0c".padEnd(56, "0"), /unknown frame type/],
  ["type 0x41, after BATCH", "41".padEnd(56, "0"), /unknown frame type/],
  ["type 0xdf, below the reserved", "df".padEnd(56, "0"), /unknown frame type/],
  ["type 0xf0, above the reserved", "f0".padEnd(56, "0"), /unknown frame type/],
  ["flag bit 2", "2404".padEnd(56, "0"), /unknown flags/],
  ["flag bit 7", "2480".padEnd(56, "0"), /unknown flags/],
  ["byte 3 not zero", "24000001".padEnd(56, "0"), /byte 3/],
  ["stream 2^53", "24000000000000000000000000200000000000000000000000000000", /2\^53/],
  ["offset 2^53", "24000000000000000000000000000000000000000020000000000000", /2\^53/],
  ["offset 2^64 - 1", "2400000000000000000000000000000000000000ffffffffffffffff", /2\^53/],
];

test.each(REFUSED)("refused: %s", (_name, hex, message) => {
  const decode = () => decodeFrame(bytesOf(hex));
  expect(decode).toThrow(SessionError);
  expect(decode).toThrow(message);
  expect(slowDecode(hex)).toBeUndefined();
});

test("every type of the table decodes, has a name, and no other but the reserved does", () => {
  for (let type = 0; type < 256; type += 1) {
    const bytes = new Uint8Array(HEADER_BYTES);
    bytes[0] = type;
    const known = Object.values<number>(TYPE).includes(type);
    expect([type, slowDecode(hexOf(bytes)) !== undefined]).toEqual([type, known || isReserved(type)]);
    if (known) expect(typeName(decodeFrame(bytes).type)).toMatch(/^[A-Z_]+$/);
    else if (isReserved(type)) expect(decodeFrame(bytes).type).toBe(type);
    else expect(() => decodeFrame(bytes)).toThrow(SessionError);
  }
});

test("every prefix of a frame is refused until its header is whole, and is a shorter payload from then on", () => {
  const whole = encodeFrame({ type: TYPE.RESET, stream: 9, offset: 77 }, bytesOf("010004627573790200026e6f"));
  for (let length = 0; length <= whole.byteLength; length += 1) {
    const prefix = whole.slice(0, length);
    if (length < HEADER_BYTES) expect(() => decodeFrame(prefix)).toThrow(SessionError);
    else expect(decodeFrame(prefix)).toEqual({ ...decodeFrame(whole), payload: whole.slice(HEADER_BYTES, length) });
  }
});

const u32 = fc.nat({ max: 2 ** 32 - 1 });
const u64 = fc.oneof(fc.nat({ max: 2 ** 20 }), fc.maxSafeNat(), fc.constantFrom(0, 2 ** 32 - 1, 2 ** 32, MOST));
const header = fc.record({
  type: fc.oneof(fc.constantFrom(...Object.values<number>(TYPE)), fc.integer({ min: 0xe0, max: 0xef })),
  flags: fc.nat({ max: 3 }),
  lane: fc.nat({ max: 255 }),
  channel: u32,
  slot: u32,
  stream: u64,
  offset: u64,
});

test("any frame is written and read as the slow codec does", () => {
  fc.assert(
    fc.property(header, fc.uint8Array({ maxLength: 300 }), (fields, payload) => {
      const hex = slowEncode({ ...fields, payload });
      expect(hexOf(encodeFrame(fields, payload))).toBe(hex);
      expect(decodeFrame(bytesOf(hex))).toEqual({ ...fields, payload });
      expect(slowDecode(hex)).toEqual({ ...fields, payload });
    }),
  );
});

test("any bytes are a frame or a SessionError, as the slow codec judges; they are not changed", () => {
  const nearly = fc
    .tuple(fc.constantFrom(...Object.values<number>(TYPE)), fc.uint8Array({ minLength: 27, maxLength: 60 }))
    .map(([type, rest]) => Uint8Array.of(type, rest[0]! & 5, rest[1]!, rest[2]! & 1, ...rest.slice(3, 11), ...rest));
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 60 }), nearly), (bytes) => {
      const before = hexOf(bytes);
      const slow = slowDecode(before);
      if (slow === undefined) expect(() => decodeFrame(bytes)).toThrow(SessionError);
      else expect(decodeFrame(bytes)).toEqual(slow);
      expect(hexOf(bytes)).toBe(before);
    }),
    { numRuns: 2_000 },
  );
});

test("a frame inside a larger buffer is read where it lies, and its payload is no copy", () => {
  const frame = encodeFrame({ type: TYPE.DATA, stream: 1, offset: 2 }, Uint8Array.of(7, 8, 9));
  const buffer = new Uint8Array(200).fill(0xee);
  buffer.set(frame, 50);
  const decoded = decodeFrame(buffer.subarray(50, 50 + frame.byteLength));
  expect(decoded).toMatchObject({ type: TYPE.DATA, stream: 1, offset: 2, payload: Uint8Array.of(7, 8, 9) });
  buffer[50 + HEADER_BYTES] = 1;
  expect(decoded.payload[0]).toBe(1);
});

test("a relay's stamp changes who is speaking and nothing else", () => {
  fc.assert(
    fc.property(header, fc.uint8Array({ maxLength: 40 }), u32, u32, (fields, payload, channel, slot) => {
      const bytes = encodeFrame(fields, payload);
      stamp(bytes, { channel });
      expect(decodeFrame(bytes)).toEqual({ ...fields, channel, payload });
      stamp(bytes, { slot });
      expect(decodeFrame(bytes)).toEqual({ ...fields, channel, slot, payload });
    }),
  );
});

test("a header is written at the start of its buffer and no further", () => {
  const bytes = new Uint8Array(HEADER_BYTES + 4).fill(0xaa);
  writeHeader(bytes, { type: TYPE.FIN, flags: 0, lane: 0, channel: 0, slot: 0, stream: 0, offset: 0 });
  expect(hexOf(bytes)).toBe(`25${"00".repeat(27)}aaaaaaaa`);
});

test("the largest message holds the largest DATA with its acknowledgement", () => {
  expect(HEADER_BYTES + 8 + MAX_DATA).toBeLessThanOrEqual(MAX_FRAME);
});
