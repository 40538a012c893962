import fc from "fast-check";
import { expect, test } from "vitest";
import { SessionError } from "../../shared/wire/errors.ts";
import { decodeFields, encodeFields, numberField, textField, type FieldValue } from "../../shared/wire/fields.ts";
import { bytesOf, hexOf, slowFields } from "./slow-codec.ts";

test.each<[string, Record<number, FieldValue>, string]>([
  ["none", {}, ""],
  ["empty text", { 1: "" }, "01 0000"],
  ["text", { 1: "busy", 2: "é" }, "01 0004 62757379  02 0002 c3a9"],
  ["bytes", { 255: Uint8Array.of(1, 2, 3) }, "ff 0003 010203"],
  ["numbers take the fewest bytes", { 1: 0, 2: 1, 3: 256 }, "01 0000  02 0001 01  03 0002 0100"],
  ["the largest number", { 1: Number.MAX_SAFE_INTEGER }, "01 0007 1fffffffffffff"],
  ["what is undefined is left out", { 1: undefined, 2: "x" }, "02 0001 78"],
  ["in the order of their tags", { 9: "b", 2: "a" }, "02 0001 61  09 0001 62"],
])("%s", (_name, values, spaced) => {
  const hex = spaced.replaceAll(" ", "");
  expect(hexOf(encodeFields(values))).toBe(hex);
  expect(slowFields(values)).toBe(hex);
});

test("any fields come back as they went, unknown tags among them, and agree with the slow codec", () => {
  const value = fc.oneof(
    fc.string({ unit: "grapheme", maxLength: 20 }).filter((text) => /^\P{Cc}*$/u.test(text)),
    fc.maxSafeNat(),
    fc.uint8Array({ maxLength: 20 }),
  );
  const values = fc.dictionary(fc.nat({ max: 255 }).map(String), value);
  fc.assert(
    fc.property(values, (written: Record<number, FieldValue>) => {
      const bytes = encodeFields(written);
      expect(hexOf(bytes)).toBe(slowFields(written));
      const fields = decodeFields(bytes);
      expect(fields.size).toBe(Object.keys(written).length);
      for (const [tag, each] of Object.entries(written)) {
        if (typeof each === "string") expect(textField(fields, Number(tag))).toBe(each);
        else if (typeof each === "number") expect(numberField(fields, Number(tag))).toBe(each);
        else expect(fields.get(Number(tag))).toEqual(each);
      }
    }),
  );
});

test("a field of 65,535 bytes is carried, one more is a mistake of ours", () => {
  const most = "x".repeat(65_535);
  expect(textField(decodeFields(encodeFields({ 1: most })), 1)).toBe(most);
  expect(() => encodeFields({ 1: `${most}x` })).toThrow(RangeError);
});

test.each([
  ["a header cut short", "01"],
  ["a length cut short", "0100"],
  ["a field that runs past the end", "01000261"],
  ["a second field cut short", "01000161 02"],
  ["a tag twice", "010000 010000"],
])("refused: %s", (_name, hex) => {
  expect(() => decodeFields(bytesOf(hex.replaceAll(" ", "")))).toThrow(SessionError);
});

test("every prefix that does not end between two fields is refused", () => {
  const whole = encodeFields({ 1: "first", 2: 70_000, 3: "" });
  const ends = new Set([0, 8, 14, 17]);
  for (let length = 0; length <= whole.byteLength; length += 1) {
    const decode = () => decodeFields(whole.slice(0, length));
    if (ends.has(length)) expect(decode).not.toThrow();
    else expect(decode).toThrow(SessionError);
  }
});

test("any bytes are fields or a SessionError", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      try {
        const fields = decodeFields(bytes);
        for (const tag of fields.keys()) {
          textField(fields, tag);
          numberField(fields, tag);
        }
      } catch (error) {
        expect(error).toBeInstanceOf(SessionError);
      }
    }),
    { numRuns: 2_000 },
  );
});

test("what is absent reads as empty text and as 0", () => {
  const fields = decodeFields(new Uint8Array(0));
  expect([textField(fields, 1), numberField(fields, 1)]).toEqual(["", 0]);
});

test.each([
  ["invalid UTF-8", "c3"],
  ["an overlong slash", "c0af"],
  ["a lone surrogate", "eda080"],
  ["NUL", "610062"],
  ["a line break", "610a62"],
  ["an escape", "1b5b324a"],
  ["DEL", "7f"],
])("text with %s is refused", (_name, hex) => {
  const fields = new Map([[1, bytesOf(hex)]]);
  expect(() => textField(fields, 1)).toThrow(SessionError);
});

test.each([
  ["00", 0],
  ["0000000000000005", 5],
  ["001fffffffffffff", Number.MAX_SAFE_INTEGER],
])("a number may have leading zeros: %s", (hex, value) => {
  expect(numberField(new Map([[1, bytesOf(hex)]]), 1)).toBe(value);
});

test.each(["0020000000000000", "ffffffffffffffff", "000000000000000001"])("a number of %s is refused", (hex) => {
  expect(() => numberField(new Map([[1, bytesOf(hex)]]), 1)).toThrow(SessionError);
});
