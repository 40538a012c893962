import fc from "fast-check";
import { expect, test } from "vitest";
import { addressOf } from "../../shared/address/address.ts";
import { formatSocketAddress, parseListen, parseSocketAddress } from "../../shared/address/socket-address.ts";
import { good, refused } from "./parsed.ts";

test.each([
  ["1.2.3.4:80", "1.2.3.4:80"],
  ["[::1]:80", "[::1]:80"],
  ["[2001:DB8:0::5]:65535", "[2001:db8::5]:65535"],
  ["[::ffff:127.0.0.1]:4242", "127.0.0.1:4242"],
])("a peer has one spelling: %s is %s", (text, canonical) => {
  expect(formatSocketAddress(good(parseSocketAddress(text)))).toBe(canonical);
});

test.each([
  ...[
    "",
    ":",
    ":80",
    "1.2.3.4",
    "1.2.3.4:",
    "1.2.3.4:0",
    "1.2.3.4:65536",
    "1.2.3.4:080",
    "1.2.3.4:80 ",
    " 1.2.3.4:80",
    "1.2.3.4:80:80",
  ],
  ...[
    "::1:80",
    "[::1]",
    "[::1]80",
    "[::1]:",
    "[::1]:0",
    "[1.2.3.4]:80",
    "[::1:80",
    "::1]:80",
    "[[::1]]:80",
    "[::1]:80]",
    "[fe80::1%eth0]:80",
  ],
  ...["localhost:80", "127.1:80", "0x7f.1:80", "2130706433:80", "1.2.3.4:80,81", "[]:80", "undefined"],
])("%j is not a peer", (text) => {
  expect(["bad-address", "bad-ports"]).toContain(refused(parseSocketAddress(text)));
});

test("every address and port prints and parses back", () => {
  const bytes = fc
    .constantFrom(4, 16)
    .chain((length) => fc.array(fc.nat(255), { minLength: length, maxLength: length }));
  fc.assert(
    fc.property(bytes, fc.integer({ min: 1, max: 65535 }), (value, port) => {
      const peer = { address: addressOf(value), port };
      expect(parseSocketAddress(formatSocketAddress(peer))).toEqual({ ok: true, value: peer });
    }),
  );
});

test.each([
  ["8080", "127.0.0.1:8080"],
  ["0", "127.0.0.1:0"],
  ["127.0.0.1:0", "127.0.0.1:0"],
  ["0.0.0.0:443", "0.0.0.0:443"],
  ["[::]:0", "[::]:0"],
])("a listener is on loopback unless it says otherwise: %s is %s", (text, canonical) => {
  expect(formatSocketAddress(good(parseListen(text)))).toBe(canonical);
});

test.each(["", ":8080", ":0", "*:80", "65536", "00", "080", "localhost:80", "1.2.3.4:00", "::1:0", "8080 "])(
  "%j is not a place to listen",
  (text) => {
    expect(["bad-address", "bad-ports"]).toContain(refused(parseListen(text)));
  },
);
