import fc from "fast-check";
import { expect, test } from "vitest";
import { clean, isPlainText } from "../../shared/text.ts";
import { anyText } from "./parsed.ts";

test.each([
  ["plain text stays, with its accents and 漢字 and 🙂", "plain text stays, with its accents and 漢字 and 🙂"],
  ["joined می\u200Cخواهم 👩\u200D💻", "joined می\u200Cخواهم 👩\u200D💻"],
  ["two\nlines\r\n", "two\\u{a}lines\\u{d}\\u{a}"],
  ["\x1b[31mred\x1b[0m", "\\u{1b}[31mred\\u{1b}[0m"],
  ["\x9b31m", "\\u{9b}31m"],
  ["nul\0", "nul\\u{0}"],
  ["del\x7f", "del\\u{7f}"],
  ["exe.\u202Egpj", "exe.\\u{202e}gpj"],
  ["\u2066a\u2069", "\\u{2066}a\\u{2069}"],
  ["zero\u200Bwidth", "zero\\u{200b}width"],
  ["\uFEFFbom", "\\u{feff}bom"],
  ["line\u2028separator", "line\\u{2028}separator"],
  ["\u{E0041}tag", "\\u{e0041}tag"],
  ["lone \uD800 half", "lone \\u{d800} half"],
  ["\u3164filler", "\\u{3164}filler"],
])("%j is logged as %j", (text, logged) => {
  expect(clean(text)).toBe(logged);
  expect(isPlainText(text)).toBe(text === logged);
});

test("whatever comes in, what goes out is short, on one line, printable and well-formed", () => {
  fc.assert(
    fc.property(anyText(600), fc.integer({ min: 1, max: 300 }), (text, max) => {
      const logged = clean(text, max);
      expect(logged.length).toBeLessThanOrEqual(max);
      expect(isPlainText(logged)).toBe(true);
      expect(logged.isWellFormed()).toBe(true);
    }),
    { numRuns: 2000 },
  );
});

test("long text ends in an ellipsis at 256 characters", () => {
  expect(clean("a".repeat(256))).toBe("a".repeat(256));
  expect(clean("a".repeat(257))).toBe(`${"a".repeat(255)}…`);
  expect(clean("a".repeat(10_000_000))).toHaveLength(256);
});

test("a cut never leaves half of a character", () => {
  expect(clean("a🙂", 2)).toBe("a…");
  expect(clean("🙂🙂🙂", 4)).toBe("🙂…");
});
