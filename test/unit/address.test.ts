import { isIPv4, isIPv6 } from "node:net";
import fc from "fast-check";
import ipaddr from "ipaddr.js";
import { expect, test } from "vitest";
import { addressOf, parseAddress, prefixOf, samePrefix, sourceBucket } from "../../shared/address/address.ts";
import { anyText, good, refused } from "./parsed.ts";

test.each([
  ["0.0.0.0", "0.0.0.0"],
  ["192.168.2.101", "192.168.2.101"],
  ["255.255.255.255", "255.255.255.255"],
  ["::", "::"],
  ["::1", "::1"],
  ["2001:DB8::5", "2001:db8::5"],
  ["2001:0db8:0000:0000:0001:0000:0000:0001", "2001:db8::1:0:0:1"],
  ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
  ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
  ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
  ["::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"],
  ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
  ["fe80:0:0:0:0:5efe:10.0.0.1", "fe80::5efe:a00:1"],
])("an address has one spelling: %s is %s", (text, canonical) => {
  expect(good(parseAddress(text)).text).toBe(canonical);
});

test.each(["::ffff:10.0.0.1", "::ffff:a00:1", "::FFFF:0a00:0001", "0:0:0:0:0:ffff:10.0.0.1"])(
  "%s is the IPv4 address it maps",
  (text) => {
    expect(good(parseAddress(text))).toEqual({ version: 4, bytes: [10, 0, 0, 1], text: "10.0.0.1" });
  },
);

test.each([
  ...[
    "",
    " ",
    "0",
    "1",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f.1",
    "0x7f000001",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "017.0.0.1",
  ],
  ...[
    "010.0.0.1",
    "10.0.0.01",
    "00.0.0.0",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.256",
    "1.2.3.-4",
    "1.2.3.+4",
    "1.2.3.4e0",
    "1..3.4",
  ],
  ...[
    "1.2.3.4.",
    ".1.2.3.4",
    "1.2.3.4 ",
    " 1.2.3.4",
    "1.2.3.4\n",
    "1.2.3.4\0",
    "1.2.3.4/32",
    "1.2.3.4:80",
    "１.2.3.4",
    "1。2。3。4",
  ],
  ...[
    ":",
    ":::",
    "::::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "::1:2:3:4:5:6:7:8",
    "1:2:3:4:5:6:7:8::",
    ":1:2:3:4:5:6:7",
  ],
  ...[
    "12345::",
    "00001::",
    "g::",
    "::1.2.3",
    "::1.2.3.256",
    "::01.2.3.4",
    "1.2.3.4::",
    "::1.2.3.4:5",
    "1:2:3:4:5:6:7:1.2.3.4",
  ],
  ...[
    "1:2:3:4:5:6::1.2.3.4",
    ":1.2.3.4",
    "[::1]",
    "::1]",
    "::1/128",
    "::1%eth0",
    "fe80::1%1",
    "fe80::1%",
    "::ffff:127.1",
    "::-1",
    "::0x1",
  ],
  ...["localhost", "example.com", "1:".repeat(10_000), "1.".repeat(10_000), ":".repeat(10_000)],
])("%j is not an address", (text) => {
  expect(refused(parseAddress(text))).toBe("bad-address");
});

test("a zone is refused with the reason", () => {
  expect(parseAddress("fe80::1%eth0")).toMatchObject({ error: { message: expect.stringContaining("zone") } });
});

test("any four bytes print and parse back", () => {
  fc.assert(
    fc.property(bytes(4), (four) => {
      expect(parseAddress(four.join("."))).toEqual({
        ok: true,
        value: { version: 4, bytes: four, text: four.join(".") },
      });
    }),
  );
});

test("any sixteen bytes print as ipaddr.js prints them, and parse back", () => {
  fc.assert(
    fc.property(sparseBytes(), (sixteen) => {
      const address = addressOf(sixteen);
      const other = ipaddr.fromByteArray(sixteen) as ipaddr.IPv6;
      expect(address.text).toBe(
        other.isIPv4MappedAddress() ? other.toIPv4Address().toString() : other.toRFC5952String(),
      );
      expect(parseAddress(address.text)).toEqual({ ok: true, value: address });
      expect(parseAddress(other.toNormalizedString())).toEqual({ ok: true, value: address });
    }),
    { numRuns: 1000 },
  );
});

test("what Node takes for an address is what this takes for one, zones apart", () => {
  const piece = fc.constantFrom(
    ":",
    "::",
    ".",
    "0",
    "1",
    "01",
    "255",
    "256",
    "f",
    "ffff",
    "12345",
    "1.2.3.4",
    "g",
    "/",
    "%",
    "-",
    " ",
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 18 }), (pieces) => {
      const text = pieces.join("");
      expect(parseAddress(text).ok).toBe((isIPv4(text) || isIPv6(text)) && !text.includes("%"));
    }),
    { numRuns: 20_000 },
  );
});

test("nothing makes the parser throw", () => {
  fc.assert(fc.property(anyText(), (text) => void parseAddress(text)));
});

test("prefixes agree with strings of bits", () => {
  fc.assert(
    fc.property(sparseBytes(), sparseBytes(), fc.integer({ min: 0, max: 128 }), (a, b, length) => {
      expect(samePrefix(a, b, length)).toBe(bits(a).slice(0, length) === bits(b).slice(0, length));
      expect(bits(prefixOf(a, length))).toBe(bits(a).slice(0, length).padEnd(128, "0"));
    }),
    { numRuns: 1000 },
  );
});

test("IPv4 and IPv6 share no prefix, not even an empty one", () => {
  expect(samePrefix([0, 0, 0, 0], Array<number>(16).fill(0), 0)).toBe(false);
});

test.each([
  ["203.0.113.9", "203.0.113.9"],
  ["::ffff:203.0.113.9", "203.0.113.9"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:db8:1:2::", "2001:db8:1:2::/64"],
  ["::1", "::/64"],
])("%s is counted as %s", (text, bucket) => {
  expect(sourceBucket(good(parseAddress(text)))).toBe(bucket);
});

function bits(values: readonly number[]): string {
  return values.map((value) => value.toString(2).padStart(8, "0")).join("");
}

function bytes(length: number) {
  return fc.array(fc.nat(255), { minLength: length, maxLength: length });
}

/** Sixteen bytes with many zeros, so that runs, mapped forms and shared prefixes come up. */
function sparseBytes() {
  const byte = fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.constantFrom(0xff, 1), fc.nat(255));
  const any = fc.array(byte, { minLength: 16, maxLength: 16 });
  const mapped = bytes(4).map((four) => [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...four]);
  return fc.oneof({ weight: 5, arbitrary: any }, mapped);
}
