import fc from "fast-check";
import { expect, test } from "vitest";
import * as z from "zod";
import {
  conflict,
  draftOf,
  editMapping,
  isExpired,
  type Mapping,
  parseMapping,
  parseRule,
} from "../../shared/rule/mapping.ts";
import { type MappingDraft, MappingInput } from "../../shared/rule/mapping-input.ts";
import { parseEndpoint } from "../../shared/address/endpoint.ts";
import { formatTarget } from "../../shared/address/target.ts";
import { parsed, targetBehind } from "../../shared/rule/parsed.ts";
import { good, refused } from "./parsed.ts";

const CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

test("three words make a mapping; everything else has a default", () => {
  expect(good(parseMapping({ endpoint: "8080/tcp", site: "warehouse-3", target: "192.168.2.101:8080" }))).toEqual({
    endpoint: "8080/tcp",
    site: "warehouse-3",
    target: "192.168.2.101:8080",
    name: "",
    owner: "",
    note: "",
    tags: [],
    access: "public",
    allow: [],
    deny: [],
    expires: null,
    maxStreams: null,
    newPerSecond: null,
    bytesPerSecond: null,
    http: null,
    proxyProtocol: null,
    onLoss: "close",
    idleSeconds: null,
    reflectorOk: false,
  });
});

test("every spelling in it becomes the canonical one", () => {
  expect(
    good(
      map("https://Shop.Example.com./app/", "http://NAS.lan:80/", {
        allow: ["::ffff:203.0.113.0/120", "2001:DB8::/32"],
        deny: ["203.0.113.9/32"],
      }),
    ),
  ).toMatchObject({
    endpoint: "https://shop.example.com/app",
    target: "http://nas.lan",
    allow: ["203.0.113.0/24", "2001:db8::/32"],
    deny: ["203.0.113.9"],
  });
});

test("a host's mapping has all HTTP options, and `SITE/NAME` is by token", () => {
  expect(good(map("https://shop.example", "https://192.168.2.101:8443", { http: { tlsVerify: false } }))).toMatchObject(
    {
      access: "public",
      http: { hostHeader: "visitor", tlsVerify: false, ca: null, sni: null, prefix: "keep", rewrite: true },
    },
  );
  expect(good(map("lab/ssh", "192.168.2.5:22", {}))).toMatchObject({ access: "token", http: null });
});

test.each([
  ["10000-10019/udp", "192.168.2.5:20000", "192.168.2.5:20000-20019"],
  ["10000-10019/udp", "192.168.2.5:20000-20019", "192.168.2.5:20000-20019"],
  ["8080/tcp", "unix:/run/app.sock", "unix:/run/app.sock"],
  ["lab/app", "unix:/run/app.sock", "unix:/run/app.sock"],
  ["https://shop.example", "192.168.2.101:8080", "http://192.168.2.101:8080"],
  ["https://shop.example", "192.168.2.101:80", "http://192.168.2.101"],
  ["https://shop.example", "unix:/run/app.sock", "http+unix:/run/app.sock"],
  ["https://shop.example", "http+unix:/run/app.sock", "http+unix:/run/app.sock"],
])("%s takes %s as %s", (endpoint, given, taken) => {
  expect(good(map(endpoint, given, {})).target).toBe(taken);
});

test.each([
  ["10000-10019/udp", "192.168.2.5:20000-20009"],
  ["10000-10019/udp", "192.168.2.5:65530"],
  ["8080/tcp", "192.168.2.5:8080-8081"],
  ["lab/ssh", "192.168.2.5:22-23"],
  ["8080/tcp", "http://192.168.2.101:8080"],
  ["lab/web", "https://192.168.2.101"],
  ["8080/tcp", "http+unix:/run/app.sock"],
  ["8080/udp", "unix:/run/app.sock"],
  ["8080/tcp+udp", "unix:/run/app.sock"],
  ["8080-8081/tcp", "unix:/run/app.sock"],
  ["https://shop.example", "192.168.2.101:8080-8081"],
])("%s can't have %s behind it", (endpoint, target) => {
  expect(refused(map(endpoint, target, {}))).toBe("bad-mapping");
});

test.each<[string, string, string, Record<string, unknown>]>([
  ["a service of another site", "shop/ssh", "10.0.0.1:22", {}],
  ["a public service", "lab/ssh", "10.0.0.1:22", { access: "public" }],
  ["HTTP options on a port", "8080/tcp", "10.0.0.1:80", { http: {} }],
  ["TLS options without TLS", "https://shop.example", "http://10.0.0.1", { http: { tlsVerify: false } }],
  ["a CA without TLS", "https://shop.example", "10.0.0.1:80", { http: { ca: CERTIFICATE } }],
  ["a name for TLS without TLS", "https://shop.example", "http+unix:/run/app.sock", { http: { sni: "nas.lan" } }],
  [
    "a CA that checks nothing",
    "https://shop.example",
    "https://10.0.0.1",
    { http: { ca: CERTIFICATE, tlsVerify: false } },
  ],
  ["no prefix to strip", "https://shop.example", "10.0.0.1:80", { http: { prefix: "strip" } }],
  ["PROXY protocol on UDP", "5060/udp", "10.0.0.1:5060", { proxyProtocol: "v2" }],
  ["PROXY protocol on HTTP", "https://shop.example", "10.0.0.1:80", { proxyProtocol: "v1" }],
  ["hanging HTTP", "https://shop.example", "10.0.0.1:80", { onLoss: "hang" }],
  ["hanging UDP", "5060/udp", "10.0.0.1:5060", { onLoss: "hang" }],
  ["a hanging service", "lab/ssh", "10.0.0.1:22", { onLoss: "hang" }],
  ["idle TCP", "8080/tcp", "10.0.0.1:80", { idleSeconds: 60 }],
  ["reflected TCP", "8080/tcp", "10.0.0.1:80", { reflectorOk: true }],
])("%s is refused", (_what, endpoint, target, more) => {
  expect(refused(map(endpoint, target, more))).toBe("bad-mapping");
});

test.each<[string, string, Record<string, unknown>]>([
  ["5060/tcp+udp", "10.0.0.1:5060", { proxyProtocol: "v1", idleSeconds: 60, onLoss: "hang", reflectorOk: true }],
  ["lab/ssh", "10.0.0.1:22", { proxyProtocol: "v2", allow: ["203.0.113.9"] }],
  [
    "https://shop.example/app",
    "https://10.0.0.1",
    { http: { prefix: "strip", ca: CERTIFICATE + CERTIFICATE, sni: "NAS.lan", hostHeader: "NAS.lan:8443" } },
  ],
  [
    "https://shop.example",
    "https://10.0.0.1",
    { http: { hostHeader: "target", tlsVerify: false, sni: "nas.lan", rewrite: false } },
  ],
  ["8080/tcp", "10.0.0.1:80", { access: "token", maxStreams: 10, newPerSecond: 5, bytesPerSecond: 1_000_000 }],
])("%s with options %j %j is fine", (endpoint, target, more) => {
  good(map(endpoint, target, more));
});

test.each<[string, unknown]>([
  ["nothing", undefined],
  ["null", null],
  ["a list", []],
  ["text", "8080/tcp"],
  ["no fields", {}],
  ["an unknown field", { ...base(), tls: true }],
  ["another's field", { ...base(), id: 7 }],
  [
    "a prototype",
    JSON.parse('{"endpoint":"8080/tcp","site":"lab","target":"10.0.0.1:80","__proto__":{"access":"token"}}'),
  ],
  ["a number for an endpoint", { ...base(), endpoint: 8080 }],
  ["a list for a target", { ...base(), target: ["10.0.0.1:80"] }],
  ["a site in capitals", { ...base(), site: "Lab" }],
  ["a line break in the name", { ...base(), name: "a\nb" }],
  ["an escape in the note", { ...base(), note: "\x1b[31m" }],
  ["reversed text in the owner", { ...base(), owner: "a\u202Eb" }],
  ["a long name", { ...base(), name: "a".repeat(101) }],
  ["a long note", { ...base(), note: "a".repeat(1001) }],
  ["unknown access", { ...base(), access: "private" }],
  ["one CIDR without its list", { ...base(), allow: "10.0.0.0/8" }],
  ["a CIDR with host bits", { ...base(), allow: ["10.0.0.1/8"] }],
  ["too many CIDRs", { ...base(), deny: Array(257).fill("10.0.0.0/8") }],
  ["no streams at all", { ...base(), maxStreams: 0 }],
  ["half a stream", { ...base(), maxStreams: 1.5 }],
  ["streams in words", { ...base(), maxStreams: "10" }],
  ["endless bytes", { ...base(), bytesPerSecond: Infinity }],
  ["an end that is no number", { ...base(), expires: NaN }],
  ["an end in words", { ...base(), expires: "tomorrow" }],
  ["an end without its offset", { ...base(), expires: "2026-12-31T00:00:00" }],
  ["an end in the year 10000", { ...base(), expires: 253_402_300_800_000 }],
  ["an unknown HTTP option", { ...base(), endpoint: "https://shop.example", http: { hsts: true } }],
  ["a header in the Host", { ...base(), endpoint: "https://shop.example", http: { hostHeader: "a\r\nX: y" } }],
  [
    "an address as a name for TLS",
    { ...base(), endpoint: "https://shop.example", target: "https://10.0.0.1", http: { sni: "10.0.0.1" } },
  ],
  ["a bad port in the Host", { ...base(), endpoint: "https://shop.example", http: { hostHeader: "nas:0" } }],
  [
    "a CA that is none",
    { ...base(), endpoint: "https://shop.example", target: "https://10.0.0.1", http: { ca: "hello" } },
  ],
  ["idle for no time", { ...base(), endpoint: "5060/udp", idleSeconds: 0 }],
])("%s is refused, with a code and a sentence", (_what, input) => {
  expect(refused(parseMapping(input))).toMatch(/^bad-/);
});

test("what is wrong is named by its path, with the fix", () => {
  expect(parseMapping({ ...base(), allow: ["10.0.0.0/8", "10.1.2.3/8"] })).toMatchObject({
    error: {
      code: "bad-cidr",
      message: expect.stringMatching(/^allow\.1: /),
      fix: expect.stringContaining("10.0.0.0/8"),
    },
  });
});

test("tags are kept once each and in order, and a bad one is named with what to write", () => {
  const tags = (given: unknown) => parseMapping({ ...base(), tags: given });
  expect(good(tags(["office", "floor-2", "office", "a_b.c", "2"])).tags).toEqual(["2", "a_b.c", "floor-2", "office"]);
  expect(good(tags(["a".repeat(32)])).tags).toEqual(["a".repeat(32)]);
  for (const bad of ["Office", "two words", "", "a".repeat(33), "büro", "a,b", "a\u202eb", "#a"])
    expect({ bad, ...tags(["fine", bad]) }).toMatchObject({
      error: {
        code: "bad-name",
        path: "tags.1",
        message: expect.stringMatching(/^tags\.1: ".*" is not a tag\.$/) as unknown,
        fix: "Use 1 to 32 lower-case letters, digits, hyphens, underscores and dots.",
      },
    });
  const many = Array.from({ length: 17 }, (_, nth) => `tag-${nth}`);
  expect(good(tags([...many.slice(1), ...many.slice(1)])).tags).toHaveLength(16);
  expect(tags(many)).toMatchObject({
    error: { message: expect.stringMatching(/^tags: 17 tags .* at most 16/) as unknown },
  });
  for (const shapeless of ["office", [7], { office: true }, null]) expect(refused(tags(shapeless))).toMatch(/^bad-/);
});

test("an end is given in milliseconds or as ISO 8601, and is kept in milliseconds", () => {
  const moment = Date.UTC(2026, 11, 31);
  for (const expires of [moment, "2026-12-31T00:00:00Z", "2026-12-31T01:00:00+01:00"]) {
    expect(good(parseMapping({ ...base(), expires })).expires).toBe(moment);
  }
});

test("a mapping ends at its end, one without never", () => {
  const draft = good(parseMapping({ ...base(), expires: 1000 }));
  expect([999, 1000, 1001].map((now) => isExpired(draft, now))).toEqual([false, true, true]);
  expect(isExpired(good(parseMapping(base())), Number.MAX_SAFE_INTEGER)).toBe(false);
});

test.each(drafts())("what was parsed parses to itself: %j", (draft) => {
  expect(parseMapping(draft)).toEqual({ ok: true, value: draft });
  expect(parseMapping(JSON.parse(JSON.stringify(draft)))).toEqual({ ok: true, value: draft });
});

test("an edit changes what it names, also within http, and is checked as a whole", () => {
  const shop = stored("https://shop.example/app", "https://10.0.0.1", { http: { prefix: "strip", tlsVerify: false } });
  expect(good(editMapping(shop, { owner: "Ada" })).mapping).toEqual({ ...draftOf(shop), owner: "Ada" });
  expect(good(editMapping(shop, { http: { prefix: "keep" } })).mapping.http).toEqual({ ...shop.http, prefix: "keep" });
  expect(good(editMapping(shop, { http: null })).mapping.http).toMatchObject({ prefix: "keep", tlsVerify: true });
  expect(refused(editMapping(shop, { target: "http://10.0.0.1" }))).toBe("bad-mapping");
  expect(refused(editMapping(shop, { id: 9 }))).toBe("bad-mapping");
  for (const hostile of [null, [], "owner", 7]) expect(refused(editMapping(shop, hostile))).toBe("bad-mapping");
});

test("a draft is the mapping without what the register adds", () => {
  const draft = good(parseMapping(base()));
  expect(draftOf(stored("8080/tcp", "10.0.0.1:80", {}))).toEqual({ ...draft, endpoint: "8080/tcp" });
});

test("a conflict names the port and the other rule", () => {
  const sip = parsed(stored("5060-5069/tcp+udp", "10.0.0.9:5060", { name: "Phones" }));
  expect(conflict(good(rule("5065/udp", "10.0.0.1:53")), sip)).toEqual({
    code: "conflict",
    message: "5065/udp is taken by mapping 7, 5060-5069/tcp+udp -> lab 10.0.0.9:5060-5069 (Phones).",
    fix: "Choose another endpoint, or remove that one: sallyport map rm 5060-5069/tcp+udp",
  });
  expect(conflict(good(rule("5070/udp", "10.0.0.1:53")), sip)).toBeUndefined();
});

test.each([
  ["10000-10019/udp", "10.0.0.5:20000", "10007/udp", "10.0.0.5:20007"],
  ["8080/tcp", "10.0.0.5:80", "8080/tcp", "10.0.0.5:80"],
  ["8080/tcp+udp", "10.0.0.5:80", "8080/udp", "10.0.0.5:80"],
  ["8080-8081/tcp", "[fd00::5]:80", "8081/tcp", "[fd00::5]:81"],
  ["8080/tcp", "unix:/run/app.sock", "8080/tcp", "unix:/run/app.sock"],
  ["https://shop.example", "10.0.0.5:80", "https://shop.example", "http://10.0.0.5"],
  ["lab/ssh", "10.0.0.5:22", "lab/ssh", "10.0.0.5:22"],
])("%s to %s: a visitor of %s is for %s", (endpoint, target, concrete, dialled) => {
  expect(formatTarget(targetBehind(good(rule(endpoint, target)), good(parseEndpoint(concrete))))).toBe(dialled);
});

test("the input has a JSON schema for the API's description", () => {
  const schema = z.toJSONSchema(MappingInput, { io: "input" });
  expect(schema).toMatchObject({
    type: "object",
    required: ["endpoint", "site", "target"],
    additionalProperties: false,
  });
});

test("no JSON value makes the parser throw", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom(...Object.keys(MappingInput.shape)), (value, field) => {
      parseMapping(value);
      parseMapping({ ...base(), [field]: value });
    }),
    { numRuns: 2000 },
  );
});

function base() {
  return { endpoint: "8080/tcp", site: "lab", target: "10.0.0.1:80" };
}

function map(endpoint: string, target: string, more: Record<string, unknown>) {
  return parseMapping({ endpoint, site: "lab", target, ...more });
}

function rule(endpoint: string, target: string) {
  return parseRule({ endpoint, site: "lab", target });
}

function stored(endpoint: string, target: string, more: Record<string, unknown>): Mapping {
  const stamp = { by: "admin:1", at: 1_000 };
  return { ...good(map(endpoint, target, more)), id: 7, created: stamp, changed: stamp, revision: 3 };
}

function drafts(): MappingDraft[] {
  return [
    stored("10000-10019/udp", "10.0.0.5:20000", { idleSeconds: 30, expires: 5_000 }),
    stored("https://*.example.com:8443/app", "https://[fd00::5]:8443", {
      http: { sni: "nas.lan", ca: CERTIFICATE, hostHeader: "[fd00::5]:80" },
      deny: ["10.0.0.0/8"],
    }),
    stored("lab/ssh", "nvr.lan:22", { note: "für Ada 🙂" }),
  ].map(draftOf);
}
