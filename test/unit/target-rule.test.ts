import fc from "fast-check";
import { expect, test } from "vitest";
import { parseAddress } from "../../shared/address.ts";
import { all } from "../../shared/result.ts";
import {
  EVERY_TARGET,
  forbids,
  formatTargetRule,
  parseNetworkRule,
  parseTargetRule,
  permits,
  permitsSocket,
} from "../../shared/target-rule.ts";
import { good, refused } from "./parsed.ts";

test.each([
  ["192.168.2.0/24:80,443", "192.168.2.0/24:80,443"],
  ["192.168.2.0/24:443,80", "192.168.2.0/24:80,443"],
  ["[fd00::/8]:1-1024", "[fd00::/8]:1-1024"],
  ["127.2.2.101:8080", "127.2.2.101:8080"],
  ["127.2.2.101/32:8080", "127.2.2.101:8080"],
  ["10.0.0.0/8", "10.0.0.0/8"],
  ["10.0.0.0/8:1-65535", "10.0.0.0/8"],
  ["[::/0]", "[::/0]"],
  ["[2001:DB8::5]:22", "[2001:db8::5]:22"],
])("a rule has one spelling: %s is %s", (text, canonical) => {
  expect(formatTargetRule(good(parseNetworkRule(text)))).toBe(canonical);
  expect(formatTargetRule(good(parseTargetRule(text)))).toBe(canonical);
});

test.each([
  ["nvr.lan:554", "nvr.lan:554"],
  ["NVR.lan.", "nvr.lan"],
  ["localhost:3000-3010", "localhost:3000-3010"],
  ["unix:/run/app.sock", "unix:/run/app.sock"],
])("an agent's own rules know names and sockets: %s is %s", (text, canonical) => {
  expect(formatTargetRule(good(parseTargetRule(text)))).toBe(canonical);
  expect(["bad-rule", "bad-cidr"]).toContain(refused(parseNetworkRule(text)));
});

test.each([
  ...[
    "",
    "*",
    ":80",
    "*:80",
    "10.0.0.0/8:",
    "10.0.0.0/8:0",
    "10.0.0.0/8:65536",
    "10.0.0.0/8:80 ",
    "10.0.0.1:22 ",
    " 10.0.0.1:22",
    "10.0.0.0/8: 80",
  ],
  ...[
    "10.0.0.0/8:80, 443",
    "10.0.0.0/8:80;443",
    "10.0.0.0/8:80:81",
    "10.1.2.3/8:80",
    "010.0.0.1",
    "127.1:80",
    "0x7f.1:80",
    "2130706433",
    "10.0.0.0/33:80",
  ],
  ...[
    "fd00::/8",
    "fd00::5:80",
    "fd00::/8:80",
    "::1",
    "[fd00::/8",
    "fd00::/8]",
    "[fd00::]/8:80",
    "[fd00::/8]80",
    "[10.0.0.0/8]:80",
    "[]:80",
    "[nvr.lan]:80",
  ],
  ...[
    "nvr.lan/24:80",
    "nvr.lan:0",
    "nvr.lan:80:81",
    "nvr lan:80",
    "*.lan:80",
    "münchen.de:80",
    "unix:run",
    "http://nvr.lan",
    "user@nvr:80",
  ],
])("%j is no rule", (text) => {
  expect(["bad-rule", "bad-cidr", "bad-ports", "bad-host"]).toContain(refused(parseTargetRule(text)));
});

test("IPv6 without brackets is told to have them, for the port would become part of it", () => {
  expect(parseNetworkRule("fd00::5:80")).toMatchObject({
    error: { fix: expect.stringContaining("[fd00::/8]:1-1024") },
  });
});

test.each([
  // rules, host as written, resolved to, port, permitted
  ["192.168.2.0/24:80,443", "192.168.2.101", "192.168.2.101", 80, true],
  ["192.168.2.0/24:80,443", "192.168.2.101", "192.168.2.101", 8080, false],
  ["192.168.2.0/24:80,443", "192.168.3.101", "192.168.3.101", 80, false],
  ["192.168.2.0/24", "nvr.lan", "192.168.2.5", 554, true],
  ["192.168.2.0/24", "nvr.lan", "10.0.0.5", 554, false],
  ["nvr.lan:554", "nvr.lan", "10.0.0.5", 554, true],
  ["nvr.lan:554", "nvr.lan", "10.0.0.5", 555, false],
  ["nvr.lan:554", "10.0.0.5", "10.0.0.5", 554, false],
  ["nvr.lan:554", "other.lan", "10.0.0.5", 554, false],
  ["nvr.lan", "nvr.lan", "169.254.169.254", 80, false],
  ["nvr.lan", "nvr.lan", "0.0.0.0", 80, false],
  ["nvr.lan", "nvr.lan", "64:ff9b::a9fe:a9fe", 80, false],
  ["0.0.0.0/0", "10.0.0.1", "10.0.0.1", 22, true],
  ["0.0.0.0/0", "10.0.0.1", "::ffff:10.0.0.1", 22, true],
  ["0.0.0.0/0", "0.0.0.0", "0.0.0.0", 22, false],
  ["0.0.0.0/0", "224.0.0.1", "224.0.0.1", 22, false],
  ["0.0.0.0/0,[::/0]", "x", "169.254.169.254", 80, false],
  ["0.0.0.0/0,[::/0]", "x", "fd00:ec2::254", 80, false],
  ["0.0.0.0/0,[::/0]", "x", "2002:a9fe:a9fe::1", 80, false],
  ["169.254.0.0/16", "x", "169.254.169.254", 80, false],
  ["169.254.169.254:80", "x", "169.254.169.254", 80, true],
  ["169.254.169.254:80", "x", "169.254.169.254", 81, false],
  ["[::/0]", "x", "2606:4700::1", 80, true],
  ["[::/0]", "x", "10.0.0.1", 80, false],
  ["[::/0]", "x", "64:ff9b::a00:1", 80, false],
  ["[::/0]", "x", "2002:7f00:1::", 80, false],
  ["[::/0],127.0.0.0/8", "x", "2002:7f00:1::", 80, true],
  ["10.0.0.0/8", "x", "64:ff9b::a00:1", 80, false],
  ["10.0.0.0/8,[64:ff9b::/96]", "x", "64:ff9b::a00:1", 80, true],
])("rules [%s] permit %s (%s) port %d: %s", (rules, host, address, port, may) => {
  expect(permits(rulesOf(rules, ","), dialling(host, address, port))).toBe(may);
});

test("no rules permit nothing", () => {
  expect(permits([], dialling("10.0.0.1", "10.0.0.1", 80))).toBe(false);
  expect(permitsSocket([], "/run/app.sock")).toBe(false);
});

test("a rule for every target is every target but the forbidden few", () => {
  const rules = good(all(EVERY_TARGET, parseNetworkRule));
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 65535 }), (port) => {
      for (const text of ["127.0.0.1", "10.0.0.1", "8.8.8.8", "::1", "fd00::5"])
        expect(permits(rules, dialling(text, text, port))).toBe(true);
    }),
  );
});

test.each([
  ["10.0.0.0/8", "x", "10.0.0.1", 80, true],
  ["10.0.0.0/8:22", "x", "10.0.0.1", 80, false],
  ["10.0.0.0/8", "x", "64:ff9b::a00:1", 80, true],
  ["10.0.0.0/8", "x", "2002:a00:1::1", 80, true],
  ["nvr.lan", "nvr.lan", "10.0.0.1", 80, true],
  ["nvr.lan", "other.lan", "10.0.0.1", 80, false],
  ["unix:/run/app.sock", "x", "10.0.0.1", 80, false],
])("rule [%s] forbids %s (%s) port %d: %s", (rules, host, address, port, forbidden) => {
  expect(forbids(rulesOf(rules, ","), dialling(host, address, port))).toBe(forbidden);
});

test("a socket is permitted by its own path only", () => {
  const rules = rulesOf("unix:/run/app.sock,0.0.0.0/0", ",");
  expect(permitsSocket(rules, "/run/app.sock")).toBe(true);
  expect(permitsSocket(rules, "/run/app.sock2")).toBe(false);
  expect(permitsSocket(rules, "/run")).toBe(false);
});

function rulesOf(text: string, separator: string) {
  // Ports are joined by commas too: a piece of digits belongs to the rule before it.
  const pieces = text.split(separator).reduce<string[]>((rules, piece) => {
    return /^\d+$/.test(piece) ? [...rules.slice(0, -1), `${rules.at(-1)},${piece}`] : [...rules, piece];
  }, []);
  return good(all(pieces, parseTargetRule));
}

function dialling(host: string, address: string, port: number) {
  return { host, address: good(parseAddress(address)), port };
}
