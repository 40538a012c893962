import fc from "fast-check";
import { expect, test } from "vitest";
import { parseAddress } from "../../shared/address/address.ts";
import { all } from "../../shared/result.ts";
import {
  EVERY_TARGET,
  forbids,
  formatTargetRule,
  leavesLoopbackToAgent,
  namesIn,
  namingLoopback,
  networksAsked,
  OTHER_MACHINES,
  parseNetworkRule,
  parseTargetRule,
  permits,
  permitsSocket,
} from "../../shared/address/target-rule.ts";
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

test("what a token without targets means is every other machine, in networks that any agent keeps to", () => {
  const rules = good(all(OTHER_MACHINES, parseNetworkRule));
  expect(good(all(OTHER_MACHINES, parseNetworkRule)).map(formatTargetRule)).toEqual(OTHER_MACHINES);
  expect(leavesLoopbackToAgent(OTHER_MACHINES)).toBe(true);
  expect(leavesLoopbackToAgent(EVERY_TARGET)).toBe(false);
  expect(leavesLoopbackToAgent(OTHER_MACHINES.slice(1))).toBe(false);
  const ipv4 = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255)).map((bytes) => bytes.join("."));
  fc.assert(
    fc.property(ipv4, fc.integer({ min: 1, max: 65535 }), (text, port) => {
      const every = good(all(EVERY_TARGET, parseNetworkRule));
      const other = !text.startsWith("127.") && permits(every, dialling(text, text, port));
      expect(permits(rules, dialling(text, text, port))).toBe(other);
    }),
    { numRuns: 2_000 },
  );
  for (const text of ["127.0.0.1", "127.255.255.254", "::1", "64:ff9b::7f00:1", "2002:7f00:1::", "::ffff:0:127.0.0.1"])
    expect(permits(rules, dialling(text, text, 80))).toBe(false);
  for (const text of ["fd00::5", "fe80::1", "fec0::1", "2606:4700::1", "64:ff9b::a00:1", "64:ff9b:1::a00:1"])
    expect(permits(rules, dialling(text, text, 80))).toBe(true);
});

test.each([
  ["127.0.0.0/8", true],
  ["127.0.0.1", true],
  ["127.9.9.9:80", true],
  ["[::1]:80", true],
  ["localhost", true],
  ["LOCALHOST.:3000", true],
  ["app.localhost", true],
  ["0.0.0.0/0", false],
  ["126.0.0.0/7", false],
  ["[::/0]", false],
  ["10.0.0.1", false],
  ["nvr.lan", false],
  ["localhost.lan", false],
  ["unix:/run/app.sock", false],
])("rule %s names an agent's own loopback: %s", (rule, names) => {
  expect(namingLoopback([good(parseTargetRule(rule))])).toHaveLength(names ? 1 : 0);
});

test.each([
  ["localhost:3000", ["127.0.0.1:3000", "[::1]:3000"]],
  ["LocalHost.", ["127.0.0.1", "[::1]"]],
  ["localhost:80,443", ["127.0.0.1:80,443", "[::1]:80,443"]],
  ["localhost.lan:80", ["localhost.lan:80"]],
  ["10.0.0.1:80", ["10.0.0.1:80"]],
])("a token that is asked for with %s has %j", (text, networks) => {
  expect(networksAsked(text)).toEqual(networks);
});

test.each([
  // rules, host as written, resolved to, port, forbidden
  ["10.0.0.0/8", "x", "10.0.0.1", 80, true],
  ["10.0.0.0/8:22", "x", "10.0.0.1", 80, false],
  ["10.0.0.0/8", "x", "64:ff9b::a00:1", 80, true],
  ["10.0.0.0/8", "x", "2002:a00:1::1", 80, true],
  ["nvr.lan", "nvr.lan", "10.0.0.1", 80, true],
  ["nvr.lan", "other.lan", "10.0.0.1", 80, false],
  ["nvr.lan", "other.lan", "10.0.0.7", 80, true],
  ["nvr.lan", "10.0.0.7", "10.0.0.7", 80, true],
  ["nvr.lan", "fd00::7", "fd00::7", 80, true],
  ["nvr.lan", "64:ff9b::a00:7", "64:ff9b::a00:7", 80, true],
  ["nvr.lan:22", "10.0.0.7", "10.0.0.7", 80, false],
  ["nvr.lan:22", "10.0.0.7", "10.0.0.7", 22, true],
  ["NVR.lan.", "10.0.0.7", "10.0.0.7", 22, true],
  ["nat64.lan", "10.0.0.8", "10.0.0.8", 80, true],
  ["nowhere.lan", "10.0.0.7", "10.0.0.7", 80, false],
  ["unasked.lan", "10.0.0.7", "10.0.0.7", 80, true],
  ["unasked.lan:22", "10.0.0.7", "10.0.0.7", 80, false],
  ["localhost", "localhost", "127.0.0.1", 80, true],
  ["localhost", "127.0.0.1", "127.0.0.1", 80, true],
  ["localhost", "127.9.9.9", "127.9.9.9", 80, true],
  ["localhost", "::1", "::1", 80, true],
  ["localhost", "::ffff:127.0.0.1", "::ffff:127.0.0.1", 80, true],
  ["localhost", "x", "64:ff9b::7f00:1", 80, true],
  ["LOCALHOST.", "x", "127.0.0.1", 80, true],
  ["app.localhost", "x", "127.0.0.1", 80, true],
  ["localhost:22", "x", "127.0.0.1", 80, false],
  ["localhost:22", "x", "127.0.0.1", 22, true],
  ["localhost", "x", "10.0.0.1", 80, false],
  ["unix:/run/app.sock", "x", "10.0.0.1", 80, false],
])("rule [%s] forbids %s (%s) port %d: %s", (rules, host, address, port, forbidden) => {
  const meanings = new Map([
    ["nvr.lan", ["10.0.0.7", "fd00::7"]],
    ["nat64.lan", ["64:ff9b::a00:8"]],
    ["nowhere.lan", []],
  ]);
  const known = new Map([...meanings].map(([name, texts]) => [name, good(all(texts, parseAddress))]));
  expect(forbids(rulesOf(rules, ","), dialling(host, address, port), known)).toBe(forbidden);
});

test("only names that count for a port have to be asked for, and localhost never", () => {
  const rules = rulesOf("nvr.lan nas.lan:22 localhost app.localhost 10.0.0.1 unix:/x", " ");
  expect(namesIn(rules, 80)).toEqual(["nvr.lan"]);
  expect(namesIn(rules, 22)).toEqual(["nvr.lan", "nas.lan"]);
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
