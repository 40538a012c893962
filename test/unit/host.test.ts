import fc from "fast-check";
import { expect, test } from "vitest";
import { parseHost, parseHostName } from "../../shared/address/host.ts";
import { splitHostPort } from "../../shared/address/socket-address.ts";
import { good, refused } from "./parsed.ts";

test.each([
  ["nvr.lan", "nvr.lan"],
  ["NVR.LAN", "nvr.lan"],
  ["nvr.lan.", "nvr.lan"],
  ["localhost", "localhost"],
  ["my_nas", "my_nas"],
  ["xn--mnchen-3ya.de", "xn--mnchen-3ya.de"],
  ["3com.example", "3com.example"],
  ["1.2.3.4.example", "1.2.3.4.example"],
  ["192.168.2.5", "192.168.2.5"],
  ["[FD00::5]", "fd00::5"],
  ["[::ffff:10.0.0.1]", "10.0.0.1"],
  [`${"a".repeat(63)}.lan`, `${"a".repeat(63)}.lan`],
])("a host has one spelling: %s is %s", (text, canonical) => {
  expect(good(hostOf(text))).toBe(canonical);
});

test.each([
  "127.1",
  "127.0.1",
  "2130706433",
  "0",
  "0x7f.1",
  "0x7f000001",
  "0X7F.1",
  "017.0.0.1",
  "0177.0.0.1",
  "1.2.3.4.",
  "1.2.3.256",
  "a.0x",
  "a.b.1",
])("%s only looks like an address, and is refused as that", (text) => {
  expect(hostOf(text)).toMatchObject({
    error: { code: "bad-host", message: expect.stringContaining("looks like an address") },
  });
});

test.each(["münchen.de", "例え.jp", "nvr。lan", "\u212Aelvin", "ⅰ.example", "１.2.3.4", "\u202Enal.rvn"])(
  "%j is told to be written in punycode",
  (text) => {
    expect(hostOf(text)).toMatchObject({ error: { code: "bad-host", fix: expect.stringContaining("punycode") } });
  },
);

test.each([
  ...[
    "",
    ".",
    "..",
    ".lan",
    "a..b",
    "nvr.lan..",
    "-nvr.lan",
    "nvr-.lan",
    "nvr lan",
    " nvr",
    "nvr ",
    "nvr\n",
    "nvr\0.lan",
    "nvr\r\n.lan",
  ],
  ...[
    "user@nvr",
    "nvr#",
    "nvr?",
    "nvr/",
    "nvr\\",
    "nvr%2elan",
    "%6evr",
    "*",
    "*.lan",
    "a*b",
    "nvr;",
    "nvr,lan",
    `${"a".repeat(64)}.lan`,
  ],
  ...["a.".repeat(127) + "ab", "a:b"],
])("%j is not a host name", (text) => {
  expect(refused(parseHostName(text))).toBe("bad-host");
});

test.each(["[nvr.lan]", "[1.2.3.4]", "[]", "[::1%eth0]"])("brackets are for IPv6 addresses: not %s", (text) => {
  expect(refused(hostOf(text))).toBe("bad-address");
});

test("whatever is accepted is canonical and stays itself", () => {
  const pieces = fc.array(fc.constantFrom("a", "Z", "0", "1", "x", "-", "_", ".", "lan", "0x", "é", " ", "%"), {
    maxLength: 10,
  });
  fc.assert(
    fc.property(pieces, (parts) => {
      const first = parseHostName(parts.join(""));
      if (first.ok) expect(parseHostName(first.value)).toEqual(first);
    }),
    { numRuns: 5000 },
  );
});

test("browsers read every accepted name as itself", () => {
  const label = fc.stringMatching(/^[A-Za-z0-9_x-]{1,8}$/);
  fc.assert(
    fc.property(fc.array(label, { minLength: 1, maxLength: 4 }), (labels) => {
      const host = parseHostName(labels.join("."));
      // Punycode that decodes to nothing valid is the one thing a browser refuses and we let be: it resolves nowhere.
      if (host.ok && !host.value.includes("xn--")) expect(new URL(`http://${host.value}/`).hostname).toBe(host.value);
    }),
    { numRuns: 2000 },
  );
});

function hostOf(text: string) {
  const split = splitHostPort(text);
  return parseHost(split ?? { host: text, port: undefined, inBrackets: false });
}
