import fc from "fast-check";
import { expect, test } from "vitest";
import { batch, batchedBytes, filterBatch, unbatch } from "../../shared/wire/batch.ts";
import { SessionError } from "../../shared/wire/errors.ts";
import { decodeFrame, encodeFrame, FLAG_ACK, HEADER_BYTES, TYPE, type Frame } from "../../shared/wire/frame.ts";
import { bytesOf, hexOf, slowBatch } from "./slow-codec.ts";

const BATCHABLE = [TYPE.ACCEPT, TYPE.DATA, TYPE.FIN, TYPE.RESET, TYPE.CREDIT, TYPE.DGRAM];
const WHO = { lane: 3, channel: 70_000, slot: 12 };

function batchOf(hex: string): Frame {
  return decodeFrame(encodeFrame({ type: TYPE.BATCH, ...WHO }, bytesOf(hex.replaceAll(" ", ""))));
}

test("a batch reads and writes as it is drawn", () => {
  const frames = [
    { type: TYPE.DATA, flags: 0, ...WHO, stream: 5, offset: 10, payload: bytesOf("6869") },
    { type: TYPE.FIN, flags: FLAG_ACK, ...WHO, stream: 5, offset: 12, payload: bytesOf("0000000000000007") },
  ];
  const bytes = batch(frames.map(({ payload, ...header }) => encodeFrame(header, payload)));
  expect(hexOf(bytes)).toBe(
    [
      "40 00 03 00  00011170 0000000c  0000000000000000  0000000000000000",
      "24 00 0002  0000000000000005  000000000000000a  6869",
      "25 01 0008  0000000000000005  000000000000000c  0000000000000007",
    ]
      .join("")
      .replaceAll(" ", ""),
  );
  expect(unbatch(decodeFrame(bytes))).toEqual(frames);
});

test("any frames of one lane, channel and slot come back as they went, and agree with the slow codec", () => {
  const entry = fc.record({
    type: fc.constantFrom(...BATCHABLE),
    flags: fc.constantFrom(0, FLAG_ACK),
    stream: fc.maxSafeNat(),
    offset: fc.maxSafeNat(),
    payload: fc.uint8Array({ maxLength: 100 }),
  });
  fc.assert(
    fc.property(fc.array(entry, { minLength: 1, maxLength: 8 }), (entries) => {
      const frames = entries.map((each) => ({ ...each, ...WHO }));
      const encoded = frames.map(({ payload, ...header }) => encodeFrame(header, payload));
      const bytes = batch(encoded);
      expect(hexOf(bytes.subarray(HEADER_BYTES))).toBe(slowBatch(frames));
      expect(bytes.byteLength).toBe(encoded.reduce((sum, each) => sum + batchedBytes(each), HEADER_BYTES));
      expect(unbatch(decodeFrame(bytes))).toEqual(frames);
    }),
  );
});

test.each([
  ["nothing in it", ""],
  ["a header cut short", "24 00 0000  0000000000000001  00000000000000"],
  ["a payload cut short", "24 00 0003  0000000000000001  0000000000000000  6869"],
  ["a second entry cut short", "25 00 0000  0000000000000001  0000000000000000  25"],
  ["an unknown type", "7f 00 0000  0000000000000001  0000000000000000"],
  ["a DIAL", "21 00 0000  0000000000000001  0000000000000000"],
  ["a batch in a batch", "40 00 0000  0000000000000000  0000000000000000"],
  ["an END", "15 00 0000  0000000000000000  0000000000000000"],
  ["MORE", "24 02 0000  0000000000000001  0000000000000000"],
  ["a stream of 2^53", "24 00 0000  0020000000000000  0000000000000000"],
])("refused: %s", (_name, hex) => {
  expect(() => unbatch(batchOf(hex))).toThrow(SessionError);
});

test("DIAL may be in a batch of the relay's own, and in no other: callers can't say channel 0", () => {
  const dial = { type: TYPE.DIAL, flags: 0, ...WHO, stream: 1, offset: 0, payload: bytesOf("01") };
  const batchOn = (channel: number) => unbatch({ ...batchOf(slowBatch([dial])), channel });
  expect(batchOn(0)).toEqual([{ ...dial, channel: 0 }]);
  expect(() => batchOn(1)).toThrow(SessionError);
});

test("only six types may be in a batch", () => {
  for (const type of Object.values(TYPE)) {
    const unpack = () =>
      unbatch(batchOf(slowBatch([{ type, flags: 0, ...WHO, stream: 1, offset: 0, payload: bytesOf("") }])));
    if (BATCHABLE.some((each) => each === type)) expect(unpack()).toHaveLength(1);
    else expect(unpack).toThrow(SessionError);
  }
});

test("every prefix that does not end between two entries is refused", () => {
  const fin = encodeFrame({ type: TYPE.FIN, ...WHO, stream: 1, offset: 3 });
  const data = encodeFrame({ type: TYPE.DATA, ...WHO, stream: 1 }, bytesOf("616263"));
  const { payload } = decodeFrame(batch([data, fin]));
  for (let length = 0; length <= payload.byteLength; length += 1) {
    const unpack = () => unbatch(batchOf(hexOf(payload.subarray(0, length))));
    if (length === batchedBytes(data) || length === payload.byteLength) expect(unpack).not.toThrow();
    else expect(unpack).toThrow(SessionError);
  }
});

test("any payload is a batch or a SessionError", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      try {
        unbatch(batchOf(hexOf(bytes)));
      } catch (error) {
        expect(error).toBeInstanceOf(SessionError);
      }
    }),
  );
});

test("nothing, and what is too large for an entry, can't be batched", () => {
  expect(() => batch([])).toThrow(RangeError);
  const large = encodeFrame({ type: TYPE.DATA }, new Uint8Array(65_535));
  expect(unbatch(decodeFrame(batch([large])))[0]!.payload).toHaveLength(65_535);
  expect(() => batch([encodeFrame({ type: TYPE.DATA }, new Uint8Array(65_536))])).toThrow(RangeError);
});

test("entries are left out of a batch wherever its bytes lie; the others stay as they were", () => {
  const entry = fc.record({
    type: fc.constantFrom(...BATCHABLE),
    flags: fc.constantFrom(0, FLAG_ACK),
    stream: fc.maxSafeNat(),
    offset: fc.maxSafeNat(),
    payload: fc.uint8Array({ maxLength: 100 }),
    kept: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(entry, { minLength: 1, maxLength: 8 }), fc.nat(40), (entries, before) => {
      const encoded = batch(
        entries.map(({ payload, kept: _kept, ...header }) => encodeFrame({ ...header, ...WHO }, payload)),
      );
      // As a socket gives it: somewhere in a larger buffer.
      const bytes = new Uint8Array(before + encoded.byteLength).subarray(before);
      bytes.set(encoded);
      let looked = 0;
      const rest = filterBatch(bytes, decodeFrame(bytes), () => entries[looked++]?.kept === true);
      const kept = entries.filter((each) => each.kept).map(({ kept: _kept, ...each }) => ({ ...each, ...WHO }));
      if (kept.length === entries.length) expect(rest).toBe(bytes);
      else expect(rest === null ? [] : unbatch(decodeFrame(rest))).toEqual(kept);
    }),
  );
});
