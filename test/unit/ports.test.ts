import fc from "fast-check";
import { expect, test } from "vitest";
import {
  containsPort,
  containsRange,
  EVERY_PORT,
  formatPorts,
  parsePort,
  parsePortRange,
  parsePorts,
  sharedPort,
} from "../../shared/address/ports.ts";
import { good, refused } from "./parsed.ts";

test.each([
  ["8080", "8080"],
  ["8080,8090-8099", "8080,8090-8099"],
  ["8090-8099,8080", "8080,8090-8099"],
  ["80,81,82", "80-82"],
  ["1-10,5-20,20", "1-20"],
  ["443,443", "443"],
  ["1-65535", "1-65535"],
  ["7-7", "7"],
])("a list of ports has one spelling: %s is %s", (text, canonical) => {
  expect(formatPorts(good(parsePorts(text)))).toBe(canonical);
});

test.each([
  "",
  "0",
  "65536",
  "99999999999999999999",
  "-1",
  "+80",
  "080",
  "0x50",
  "8e1",
  "80.0",
  "1_000",
  "٣",
  "８０",
  "80\n",
  "NaN",
])("%j is not a port", (text) => {
  expect(refused(parsePort(text))).toBe("bad-ports");
  expect(refused(parsePorts(text))).toBe("bad-ports");
});

test.each(["1-", "-1", "1-2-3", "2-1", "1--2", "1 - 2", "0-5", "65530-65536"])("%j is not a range", (text) => {
  expect(refused(parsePortRange(text))).toBe("bad-ports");
});

test.each([",", "80,", ",80", "80,,81", "80;81", "80 81", "80, 443", " 80", "80 ", "80\t"])(
  "%j is not a list",
  (text) => {
    expect(refused(parsePorts(text))).toBe("bad-ports");
  },
);

test("a list with spaces is told to drop them", () => {
  expect(parsePorts("80, 443")).toMatchObject({ error: { fix: expect.stringContaining("without spaces") } });
});

test("a backward range is told its right order", () => {
  expect(parsePortRange("90-80")).toMatchObject({ error: { fix: "Write 80-90." } });
});

test("an endless list is refused before it is searched", () => {
  expect(refused(parsePorts(Array.from({ length: 257 }, (_, index) => index * 2 + 1).join(",")))).toBe("bad-ports");
});

test("a list agrees with the plain set of its numbers", () => {
  fc.assert(
    fc.property(lists(), (ranges) => {
      const ports = good(parsePorts(ranges.map(([first, last]) => `${first}-${last}`).join(",")));
      const model = new Set(ranges.flatMap(([first, last]) => numbers(first, last)));
      for (let port = 1; port <= 130; port++) expect(containsPort(ports, port)).toBe(model.has(port));
      for (const [first, last] of ranges) expect(containsRange(ports, { first, last })).toBe(true);
      expect(parsePorts(formatPorts(ports))).toEqual({ ok: true, value: ports });
    }),
  );
});

test("a range is inside only if all of it is", () => {
  const ports = good(parsePorts("10-20,22-30"));
  expect(containsRange(ports, { first: 10, last: 20 })).toBe(true);
  expect(containsRange(ports, { first: 15, last: 25 })).toBe(false);
  expect(containsRange(EVERY_PORT, { first: 1, last: 65535 })).toBe(true);
});

test("two ranges share their lowest common port", () => {
  fc.assert(
    fc.property(range(), range(), ([a, b], [c, d]) => {
      const common = numbers(a, b).find((port) => c <= port && port <= d);
      expect(sharedPort({ first: a, last: b }, { first: c, last: d })).toBe(common);
    }),
  );
});

function numbers(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

function range() {
  return fc
    .tuple(fc.integer({ min: 1, max: 120 }), fc.integer({ min: 0, max: 9 }))
    .map(([first, more]): [number, number] => [first, first + more]);
}

function lists() {
  return fc.array(range(), { minLength: 1, maxLength: 12 });
}
