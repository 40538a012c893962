import fc from "fast-check";
import { expect, test } from "vitest";
import { addressOf, parseAddress } from "../../shared/address/address.ts";
import { allows, cidrContains, parseCidr } from "../../shared/address/cidr.ts";
import { all } from "../../shared/result.ts";
import { good, refused } from "./parsed.ts";

test.each([
  ["10.0.0.0/8", "10.0.0.0/8"],
  ["203.0.113.9", "203.0.113.9"],
  ["203.0.113.9/32", "203.0.113.9"],
  ["0.0.0.0/0", "0.0.0.0/0"],
  ["2001:DB8::/32", "2001:db8::/32"],
  ["2001:db8::1/128", "2001:db8::1"],
  ["::/0", "::/0"],
  ["::ffff:10.0.0.0/104", "10.0.0.0/8"],
  ["::ffff:0:0/96", "0.0.0.0/0"],
  ["::ffff:10.0.0.1", "10.0.0.1"],
])("a network has one spelling: %s is %s", (text, canonical) => {
  expect(good(parseCidr(text)).text).toBe(canonical);
});

test.each([
  ...[
    "",
    "/",
    "/8",
    "10.0.0.0/",
    "10.0.0.0/33",
    "10.0.0.0/-1",
    "10.0.0.0/08",
    "10.0.0.0/+8",
    "10.0.0.0/8 ",
    " 10.0.0.0/8",
  ],
  ...[
    "10.0.0.0/8/8",
    "10.0.0.0/255.0.0.0",
    "10.0.0.0/0x8",
    "10.0.0.0/8e0",
    "10/8",
    "10.0.0/24",
    "010.0.0.0/8",
    "10.0.0.*",
  ],
  ...["::/129", "[::]/0", "fe80::%eth0/64", "::ffff:10.0.0.0/8", "::ffff:10.0.0.0/95", "localhost", "any", "*", "0/0"],
])("%j is not a network", (text) => {
  expect(refused(parseCidr(text))).toBe("bad-cidr");
});

test.each([
  ["10.1.2.3/8", "Write 10.0.0.0/8 for the network, or 10.1.2.3 for the one address."],
  ["2001:db8::1/32", "Write 2001:db8::/32 for the network, or 2001:db8::1 for the one address."],
  ["::ffff:10.1.2.3/104", "Write 10.0.0.0/8 for the network, or 10.1.2.3 for the one address."],
])("%s has host bits set, and is told both things it could mean", (text, fix) => {
  expect(parseCidr(text)).toMatchObject({ error: { code: "bad-cidr", fix } });
});

test("containment agrees with strings of bits", () => {
  fc.assert(
    fc.property(fc.constantFrom(4, 16), fc.nat(), fc.infiniteStream(fc.nat(255)), (width, seed, stream) => {
      const a = [...stream.take(width)];
      const length = seed % (width * 8 + 1);
      const b = [...stream.take(width)].map((byte, index) => (index * 8 < length - 9 ? (a[index] ?? 0) : byte));
      const network = bits(a)
        .slice(0, length)
        .padEnd(width * 8, "0");
      const cidr = good(parseCidr(`${addressOf(fromBits(network)).text}/${length}`));
      expect(cidrContains(cidr, addressOf(a))).toBe(true);
      expect(cidrContains(cidr, addressOf(b))).toBe(bits(b).startsWith(bits(a).slice(0, length)));
    }),
  );
});

test.each([
  // allow, deny, who may
  ["", "", "203.0.113.9", true],
  ["", "", "2001:db8::1", true],
  ["203.0.113.0/24", "", "203.0.113.9", true],
  ["203.0.113.0/24", "", "203.0.114.9", false],
  ["203.0.113.0/24", "", "::ffff:203.0.113.9", true],
  ["::ffff:203.0.113.0/120", "", "203.0.113.9", true],
  ["203.0.113.0/24", "203.0.113.9", "203.0.113.9", false],
  ["203.0.113.0/24", "203.0.113.9", "203.0.113.10", true],
  ["203.0.113.9", "203.0.113.0/24", "203.0.113.9", false],
  ["", "203.0.113.0/24", "203.0.113.9", false],
  ["", "203.0.113.0/24", "198.51.100.1", true],
  ["2001:db8::/32", "", "2001:db8:ffff::1", true],
  ["2001:db8::/32", "", "203.0.113.9", false],
  ["0.0.0.0/0", "", "2001:db8::1", false],
  ["::/0", "", "203.0.113.9", false],
  ["::/0", "", "::ffff:203.0.113.9", false],
  ["", "::/0", "::ffff:203.0.113.9", true],
  ["10.0.0.0/8,2001:db8::/32", "", "2001:db8::1", true],
])("with allow [%s] and deny [%s], %s may come: %s", (allow, deny, visitor, may) => {
  expect(allowed(allow, deny, visitor)).toBe(may);
});

const DISGUISES = [
  ["IPv4-mapped", "::ffff:203.0.113.9"],
  ["IPv4-mapped in hexadecimal", "::ffff:cb00:7109"],
  ["IPv4-compatible", "::203.0.113.9"],
  ["IPv4-translated", "::ffff:0:203.0.113.9"],
  ["NAT64", "64:ff9b::cb00:7109"],
  ["local NAT64", "64:ff9b:1::cb00:7109"],
  ["6to4", "2002:cb00:7109::1"],
  ["Teredo", "2001:0:808:808:0:1234:34ff:8ef6"],
  ["ISATAP", "2606:4700::5efe:203.0.113.9"],
] as const;

test.each(DISGUISES)("deny sees through %s: %s", (_form, visitor) => {
  expect(allowed("", "203.0.113.9", visitor)).toBe(false);
  expect(allowed("", "203.0.113.10", visitor)).toBe(true);
});

test.each(DISGUISES.filter(([form]) => !form.startsWith("IPv4-mapped")))(
  "%s is not let in as the address it carries: %s",
  (_form, visitor) => {
    expect(allowed("203.0.113.9", "", visitor)).toBe(false);
    expect(allowed(visitor, "", visitor)).toBe(true);
  },
);

test("deny wins over any allow", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(255), { minLength: 4, maxLength: 4 }), fc.nat(32), (bytes, length) => {
      const network = `${addressOf(fromBits(bits(bytes).slice(0, length).padEnd(32, "0"))).text}/${length}`;
      expect(allowed(`${bytes.join(".")},0.0.0.0/0`, network, bytes.join("."))).toBe(false);
    }),
  );
});

function allowed(allow: string, deny: string, visitor: string): boolean {
  const list = (text: string) => good(all(text ? text.split(",") : [], parseCidr));
  return allows(list(allow), list(deny), good(parseAddress(visitor)));
}

function bits(bytes: readonly number[]): string {
  return bytes.map((byte) => byte.toString(2).padStart(8, "0")).join("");
}

function fromBits(text: string): number[] {
  return (text.match(/.{8}/g) ?? []).map((byte) => parseInt(byte, 2));
}
