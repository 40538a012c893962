import fc from "fast-check";
import ipaddr from "ipaddr.js";
import { expect, test } from "vitest";
import { parseAddress } from "../../shared/address/address.ts";
import { type AddressClass, classify, isNoTarget } from "../../shared/address/address-class.ts";
import { disguised } from "../../shared/address/disguise.ts";
import { good } from "./parsed.ts";

const EXPECTED: [AddressClass, string[]][] = [
  ["unspecified", ["0.0.0.0", "0.1.2.3", "::"]],
  ["loopback", ["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "::ffff:7f00:1"]],
  [
    "private",
    ["10.0.0.0", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.2.101", "fc00::1", "fdff::1", "fec0::1"],
  ],
  ["cgnat", ["100.64.0.1", "100.127.255.255"]],
  ["link-local", ["169.254.0.1", "169.254.255.255", "fe80::1", "febf::1"]],
  [
    "metadata",
    [
      "169.254.169.254",
      "169.254.170.2",
      "100.100.100.200",
      "168.63.129.16",
      "192.0.0.192",
      "fd00:ec2::254",
      "fd20:ce::254",
    ],
  ],
  ["multicast", ["224.0.0.1", "239.255.255.250", "ff02::1"]],
  ["broadcast", ["255.255.255.255"]],
  [
    "reserved",
    [
      "192.0.0.1",
      "192.0.2.1",
      "198.18.0.1",
      "198.19.255.255",
      "198.51.100.1",
      "203.0.113.1",
      "240.0.0.1",
      "192.88.99.1",
    ],
  ],
  ["reserved", ["100::1", "2001:db8::1", "2001:2::1", "3fff::1", "4000::1", "8000::1", "fe00::1"]],
  [
    "public",
    [
      "1.1.1.1",
      "9.255.255.255",
      "11.0.0.0",
      "100.63.255.255",
      "100.128.0.0",
      "172.15.0.1",
      "172.32.0.0",
      "223.255.255.255",
    ],
  ],
  ["public", ["2606:4700::1111", "2a00::1", "3ffe::1"]],
];

test.each(EXPECTED.flatMap(([name, texts]) => texts.map((text) => [text, name] as const)))("%s is %s", (text, name) => {
  expect(classify(good(parseAddress(text)))).toBe(name);
});

// Every form that a translator or tunnel could turn into the address inside.
const FORMS: [string, (bytes: number[]) => string][] = [
  ["IPv4-mapped", ([a, b, c, d]) => `::ffff:${a}.${b}.${c}.${d}`],
  ["IPv4-compatible", ([a, b, c, d]) => `::${a}.${b}.${c}.${d}`],
  ["IPv4-translated", ([a, b, c, d]) => `::ffff:0:${a}.${b}.${c}.${d}`],
  ["NAT64", (bytes) => `64:ff9b::${word(bytes, 0)}:${word(bytes, 2)}`],
  ["local NAT64 /48", (bytes) => `64:ff9b:1:${word(bytes, 0)}:00${hex(bytes[2])}:${hex(bytes[3])}00::`],
  ["local NAT64 /64", (bytes) => `64:ff9b:1:0:00${hex(bytes[0])}:${word(bytes, 1)}:${hex(bytes[3])}00:0`],
  ["local NAT64 /96", (bytes) => `64:ff9b:1::${word(bytes, 0)}:${word(bytes, 2)}`],
  ["6to4", (bytes) => `2002:${word(bytes, 0)}:${word(bytes, 2)}::1`],
  ["Teredo client", (bytes) => `2001:0:808:808:0:1234:${word(inverse(bytes), 0)}:${word(inverse(bytes), 2)}`],
  ["Teredo server", (bytes) => `2001:0:${word(bytes, 0)}:${word(bytes, 2)}:0:1234:f7f7:f7f7`],
  ["ISATAP", (bytes) => `2606:4700::5efe:${word(bytes, 0)}:${word(bytes, 2)}`],
  ["ISATAP, global bit", (bytes) => `2606:4700::200:5efe:${word(bytes, 0)}:${word(bytes, 2)}`],
];

const INSIDE: [string, AddressClass][] = [
  ["127.0.0.1", "loopback"],
  ["10.1.2.3", "private"],
  ["192.168.2.101", "private"],
  ["169.254.169.254", "metadata"],
  ["100.100.100.200", "metadata"],
  ["100.64.0.1", "cgnat"],
  ["224.0.0.1", "multicast"],
  ["255.255.255.255", "broadcast"],
];

test.each(
  FORMS.flatMap(([form, write]) =>
    INSIDE.map(([inside, name]) => [form, inside, name, write(inside.split(".").map(Number))] as const),
  ),
)("%s of %s is %s", (_form, inside, name, text) => {
  const address = good(parseAddress(text));
  expect([address.text, ...disguised(address).map((each) => each.text)]).toContain(inside);
  expect(classify(address)).toBe(name);
});

test("a public address stays public in every disguise", () => {
  for (const [, write] of FORMS.filter(([form]) => !form.startsWith("local"))) {
    expect(classify(good(parseAddress(write([8, 8, 4, 4]))))).toBe("public");
  }
});

test("the translation prefix of a local network is nothing public, whatever is inside", () => {
  expect(classify(good(parseAddress("64:ff9b:1::808:404")))).toBe("reserved");
});

test("the worse of inside and outside counts", () => {
  expect(classify(good(parseAddress("fe80::5efe:808:808")))).toBe("link-local");
  expect(classify(good(parseAddress("fd00::5efe:7f00:1")))).toBe("loopback");
});

test("`::` and `::1` hide nothing", () => {
  expect(disguised(good(parseAddress("::")))).toEqual([]);
  expect(disguised(good(parseAddress("::1")))).toEqual([]);
});

test("no address is public here that ipaddr.js knows to be special", () => {
  const special = [
    "unspecified",
    "broadcast",
    "multicast",
    "linkLocal",
    "loopback",
    "private",
    "carrierGradeNat",
    "reserved",
    "uniqueLocal",
  ];
  const any = fc.oneof(
    bytesOf(4),
    bytesOf(16),
    fc.tuple(fc.constantFrom(0xfc, 0xfe, 0xff, 0x20, 0), bytesOf(15)).map(([first, rest]) => [first, ...rest]),
  );
  fc.assert(
    fc.property(any, (bytes) => {
      const range = ipaddr.fromByteArray(bytes).range();
      if (special.includes(range))
        expect(classify(good(parseAddress(ipaddr.fromByteArray(bytes).toString())))).not.toBe("public");
    }),
    { numRuns: 2000 },
  );
});

test.each(["0.0.0.0", "::", "224.0.0.251", "ff02::fb", "255.255.255.255", "64:ff9b::", "::ffff:0.0.0.0"])(
  "%s can never be a target",
  (text) => {
    expect(isNoTarget(good(parseAddress(text)))).toBe(true);
  },
);

test.each(["127.0.0.1", "192.168.2.101", "169.254.169.254", "fe80::1", "8.8.8.8"])(
  "%s is for rules to decide",
  (text) => {
    expect(isNoTarget(good(parseAddress(text)))).toBe(false);
  },
);

function hex(byte = 0): string {
  return byte.toString(16).padStart(2, "0");
}

/** Two bytes as a group of an IPv6 address. */
function word(bytes: (number | undefined)[], at: number): string {
  return hex(bytes[at]) + hex(bytes[at + 1]);
}

function inverse(bytes: number[]): number[] {
  return bytes.map((byte) => byte ^ 0xff);
}

function bytesOf(length: number) {
  return fc.array(fc.nat(255), { minLength: length, maxLength: length });
}
