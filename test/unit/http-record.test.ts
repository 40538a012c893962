import fc from "fast-check";
import { expect, test } from "vitest";
import { SessionError } from "../../shared/wire/errors.ts";
import { HEADROOM } from "../../shared/wire/frame.ts";
import { isRecordKind, RECORD, RecordReader, recordChunks, type RecordKind } from "../../shared/http/record.ts";
import { MAX_DATA } from "../../shared/wire/limits.ts";

type Seen = [RecordKind | "body", string];

/** What a reader makes of bytes that come in these pieces, bodies joined, and how many bytes were accounted for. */
function read(pieces: readonly Uint8Array[]): { seen: Seen[]; accounted: number; between: boolean } {
  const seen: Seen[] = [];
  let accounted = 0;
  const reader = new RecordReader({
    record: (kind, payload, owed) => {
      seen.push([kind, Buffer.from(payload).toString("hex")]);
      accounted += owed;
    },
    body: (bytes) => {
      const last = seen.at(-1);
      const hex = Buffer.from(bytes).toString("hex");
      if (last?.[0] === "body") last[1] += hex;
      else seen.push(["body", hex]);
      accounted += bytes.byteLength;
    },
  });
  for (const piece of pieces) {
    const ours = reader.push(piece);
    accounted += ours;
  }
  return { seen, accounted, between: reader.isBetweenRecords };
}

const kinds = fc.constantFrom(...Object.values(RECORD).filter((kind) => kind !== RECORD.END && kind !== RECORD.CLOSE));

test("records come out as they went in, wherever the bytes are split, and every byte is accounted for once", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(kinds, fc.uint8Array({ maxLength: 60 })), { maxLength: 6 }),
      fc.array(fc.nat(40)),
      (records, cuts) => {
        const bytes = Buffer.concat(
          records.flatMap(([kind, payload]) => recordChunks(kind, payload).map((chunk) => chunk.subarray(HEADROOM))),
        );
        const pieces: Uint8Array[] = [];
        let at = 0;
        for (const cut of cuts) pieces.push(bytes.subarray(at, (at = Math.min(bytes.length, at + cut))));
        pieces.push(bytes.subarray(at));
        const expected: Seen[] = [];
        for (const [kind, payload] of records) {
          const hex = Buffer.from(payload).toString("hex");
          const last = expected.at(-1);
          if (kind !== RECORD.BODY) expected.push([kind, hex]);
          else if (last?.[0] === "body") last[1] += hex;
          else if (hex !== "") expected.push(["body", hex]);
        }
        expect(read(pieces)).toEqual({ seen: expected, accounted: bytes.length, between: true });
      },
    ),
  );
});

test("a large record is cut into chunks that each fit a frame", () => {
  const payload = new Uint8Array(3 * MAX_DATA).map((_, index) => index);
  const chunks = recordChunks(RECORD.BINARY, payload);
  expect(chunks.map((chunk) => chunk.byteLength - HEADROOM)).toEqual([MAX_DATA, MAX_DATA, MAX_DATA, 5]);
  expect(read(chunks.map((chunk) => chunk.subarray(HEADROOM))).seen).toEqual([
    [RECORD.BINARY, Buffer.from(payload).toString("hex")],
  ]);
});

test("unknown kinds and records over their limit are refused", () => {
  for (let kind = 0; kind < 256; kind += 1) {
    if (!isRecordKind(kind)) expect(() => read([Uint8Array.of(kind, 0, 0, 0, 0)])).toThrow(SessionError);
  }
  for (const kind of [RECORD.REQUEST, RECORD.RESPONSE, RECORD.INTERIM, RECORD.END, RECORD.CLOSE]) {
    expect(() => read([Uint8Array.of(kind, 0, 1, 0, 0)])).toThrow(SessionError);
  }
  expect(() => read([Uint8Array.of(RECORD.TEXT, 2, 0, 0, 1)])).toThrow(SessionError);
  expect(() => read([Uint8Array.of(RECORD.BODY, 255, 255, 255, 255)])).not.toThrow();
});

test("a receiver of pieces gets a large message as it comes, a small one whole, and holds no more than a frame", () => {
  const bytes = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);
  const stream = [
    [RECORD.TEXT, bytes(MAX_DATA, 1)],
    [RECORD.BINARY, bytes(3 * MAX_DATA + 5, 2)],
    [RECORD.BINARY, bytes(MAX_DATA + 1, 3)],
    [RECORD.TEXT, bytes(0, 4)],
  ] as const;
  const whole: [number, number][] = [];
  const pieces: [number, number, boolean][] = [];
  let accounted = 0;
  const reader = new RecordReader({
    body: () => expect.fail("no body"),
    record: (kind, payload, owed) => {
      whole.push([kind, payload.byteLength]);
      accounted += owed;
    },
    piece: (kind, piece, isLast) => {
      pieces.push([kind, piece.byteLength, isLast]);
      accounted += piece.byteLength;
    },
  });
  let sent = 0;
  for (const [kind, payload] of stream)
    for (const chunk of recordChunks(kind, payload))
      for (let at = HEADROOM; at < chunk.byteLength; at += 100_000) {
        const part = chunk.subarray(at, at + 100_000);
        sent += part.byteLength;
        const ours = reader.push(part);
        accounted += ours;
        expect(reader.bufferedBytes).toBeLessThanOrEqual(MAX_DATA);
      }
  expect(whole).toEqual([
    [RECORD.TEXT, MAX_DATA],
    [RECORD.TEXT, 0],
  ]);
  const large = pieces.filter(([kind]) => kind === RECORD.BINARY);
  expect(large).toHaveLength(pieces.length);
  expect(large.filter(([, , isLast]) => isLast)).toHaveLength(2);
  expect(large.reduce((sum, [, length]) => sum + length, 0)).toBe(4 * MAX_DATA + 6);
  expect(accounted).toBe(sent);
});
