import fc from "fast-check";
import { expect, test } from "vitest";
import { SessionError, STREAM_CODES, streamCode, type StreamCode } from "../../shared/wire/errors.ts";
import { encodeFields } from "../../shared/wire/fields.ts";
import {
  decodeAccept,
  decodeDial,
  decodeFailure,
  decodeOpen,
  encodeAccept,
  encodeDial,
  encodeFailure,
  encodeOpen,
  refOfReject,
  type Dial,
} from "../../shared/wire/open.ts";
import { bytesOf, slowFields } from "./slow-codec.ts";

const word = fc.stringMatching(/^[\w.:/[\] -]{0,40}$/);

test("any OPEN comes back as it went", () => {
  fc.assert(
    fc.property(fc.record({ endpoint: word, visitor: word }), (open) => {
      expect(decodeOpen(encodeOpen(open))).toEqual(open);
    }),
  );
});

test("any DIAL comes back as it went", () => {
  const dial = fc.record<Dial>({
    target: word,
    kind: fc.constantFrom("tcp", "udp", "http"),
    mapping: fc.maxSafeNat(),
    endpoint: word,
    visitor: word,
    options: word,
    token: word,
    grant: word,
    ref: fc.string(),
  });
  fc.assert(
    fc.property(dial, (each) => {
      expect(decodeDial(encodeDial(each))).toEqual(each);
    }),
  );
});

test("DIAL has the tags of the document", () => {
  const hex = slowFields({
    1: "10.0.0.5:80",
    2: 3,
    3: 7,
    4: "80/tcp",
    5: "192.0.2.1:5",
    6: "{}",
    7: "j",
    8: "g",
    9: 2,
  });
  expect(decodeDial(bytesOf(hex))).toEqual({
    target: "10.0.0.5:80",
    kind: "http",
    mapping: 7,
    endpoint: "80/tcp",
    visitor: "192.0.2.1:5",
    options: "{}",
    token: "j",
    grant: "g",
    ref: "",
  });
});

test.each([0, 4, 255, 2 ** 40])("a DIAL of kind %d is refused", (kind) => {
  expect(() => decodeDial(encodeFields({ 1: "10.0.0.5:80", 2: kind }))).toThrow(SessionError);
});

test("a DIAL with fields of a later version is read", () => {
  expect(decodeDial(encodeFields({ 1: "10.0.0.5:80", 2: 1, 200: "later" }))).toMatchObject({ kind: "tcp", mapping: 0 });
});

test("any ACCEPT comes back as it went", () => {
  fc.assert(
    fc.property(fc.record({ target: word, local: word, ref: word }), (each) => {
      expect(decodeAccept(encodeAccept(each))).toEqual(each);
    }),
  );
});

test("any failure comes back as it went; another try is permitted only if said", () => {
  const codes = Object.keys(STREAM_CODES) as StreamCode[];
  fc.assert(
    fc.property(
      fc.constantFrom(...codes),
      word,
      fc.option(fc.boolean(), { nil: undefined }),
      word,
      (code, reason, mayRetry, ref) => {
        const payload = encodeFailure({ code, reason, ref, ...(mayRetry === undefined ? {} : { mayRetry }) });
        expect(decodeFailure(payload)).toEqual({ code, reason, mayRetry: mayRetry === true });
        expect(refOfReject(payload)).toBe(ref);
      },
    ),
  );
});

test("an unknown code is internal, and so are the names every object has", () => {
  for (const code of ["", "gone", "__proto__", "constructor", "toString", "BUSY"]) {
    expect(decodeFailure(encodeFields({ 1: code })).code).toBe("internal");
    expect(streamCode(code)).toBe("internal");
  }
});

test("a reason that quotes a hostile target is one line of bounded length", () => {
  const { reason } = decodeFailure(encodeFailure({ code: "busy", reason: `a\r\nb\u0000\u001b[2J${"x".repeat(1000)}` }));
  expect(reason).toMatch(/^a {2}b {2}\[2Jx{290,}$/);
  expect(reason).toHaveLength(300);
});

test("any payload decodes or is a SessionError", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      for (const decode of [decodeOpen, decodeDial, decodeAccept, decodeFailure]) {
        try {
          decode(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(SessionError);
        }
      }
    }),
    { numRuns: 1_000 },
  );
});
