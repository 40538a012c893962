import fc from "fast-check";
import { expect, test } from "vitest";
import { parseAddress } from "../../shared/address/address.ts";
import {
  audienceOf,
  mayBind,
  mayChange,
  mayPublish,
  mayReach,
  parseClaims,
  TOKEN_KINDS,
  type TokenKind,
  typeOf,
} from "../../shared/rule/claims.ts";
import { mayComeFrom, mayOpen, opensOf } from "../../shared/rule/opens.ts";
import { parseEndpoint } from "../../shared/address/endpoint.ts";
import { good, refused } from "./parsed.ts";

const SCOPES = {
  agent: { site: "warehouse-3", targets: ["192.168.2.0/24:80,443"] },
  visitor: { endpoints: ["8080/tcp"] },
  gateway: { endpoints: "*", bind: "*" },
  admin: { readOnly: false },
};

test.each(TOKEN_KINDS)("a token for %s has its own audience and type", (kind) => {
  const claims = good(parseClaims(kind, payload(kind)));
  expect(claims).toEqual(payload(kind));
  expect(claims.aud).toBe(`sallyport:${kind}`);
  expect(typeOf(kind)).toBe(`sallyport-${kind}+jwt`);
});

test.each(
  TOKEN_KINDS.flatMap((kind) => TOKEN_KINDS.filter((other) => other !== kind).map((other) => [kind, other] as const)),
)("%s claims never pass for %s claims, not even with the audience changed", (kind, other) => {
  expect(refused(parseClaims(other, payload(kind)))).toBe("bad-claims");
  expect(refused(parseClaims(other, { ...payload(kind), aud: audienceOf(other) }))).toBe("bad-claims");
});

test("the spellings in claims become canonical", () => {
  const claims = good(
    parseClaims("agent", {
      ...payload("agent"),
      targets: ["127.2.2.101/32:8080,8080", "[FD00::/8]"],
      publish: ["https://*.Dev.example/"],
    }),
  );
  expect(claims).toMatchObject({ targets: ["127.2.2.101:8080", "[fd00::/8]"], publish: ["https://*.dev.example"] });
});

const HOSTILE_TIMES = [
  undefined,
  null,
  0,
  -1,
  1.5,
  NaN,
  Infinity,
  -Infinity,
  "9999999999",
  "",
  [9_999_999_999],
  {},
  true,
  2 ** 53,
  1e300,
  Date.UTC(2026),
  253_402_300_800,
];

test.each(["exp", "iat"].flatMap((claim) => HOSTILE_TIMES.map((value) => [claim, value] as const)))(
  "%s %s is refused",
  (claim, value) => {
    for (const kind of TOKEN_KINDS)
      expect(refused(parseClaims(kind, { ...payload(kind), [claim]: value }))).toBe("bad-claims");
  },
);

test.each([
  ["exp before iat", { iat: 2_000_000_000, exp: 1_999_999_999 }],
  ["a life of a century", { iat: 1_000_000_000, exp: 4_000_000_000 }],
  ["exp at iat", { iat: 2_000_000_000, exp: 2_000_000_000 }],
])("%s is refused", (_what, times) => {
  expect(refused(parseClaims("admin", { ...payload("admin"), ...times }))).toBe("bad-claims");
});

test.each(["iss", "sub", "aud", "iat", "exp", "jti"])("every kind must have %s", (claim) => {
  for (const kind of TOKEN_KINDS) {
    const { [claim]: _, ...rest } = payload(kind) as Record<string, unknown>;
    expect(refused(parseClaims(kind, rest))).toBe("bad-claims");
  }
});

test.each<[string, unknown]>([
  ["aud", ["sallyport:admin"]],
  ["aud", ["sallyport:admin", "x"]],
  ["aud", "sallyport:Admin"],
  ["aud", "sallyport:admin "],
  ["aud", "sallyport:admi"],
  ["aud", "sallyport:admins"],
  ["aud", "sallyport:аdmin"],
  ["aud", ""],
  ["iss", "https://edge.example/"],
  ["iss", "https://edge.example/x"],
  ["iss", "https://user@edge.example"],
  ["iss", "edge.example"],
  ["iss", "ftp://edge.example"],
  ["iss", "https://edge.example\n"],
  ["iss", ["https://edge.example"]],
  ["sub", ""],
  ["sub", "a b"],
  ["sub", "a\n"],
  ["sub", "ä"],
  ["sub", "a".repeat(129)],
  ["sub", 7],
  ["jti", ""],
  ["jti", "short"],
  ["jti", "../../etc/passwd"],
  ["jti", "a".repeat(129)],
  ["jti", null],
  ["jti", ["aaaaaaaaaaaa"]],
  ["readOnly", undefined],
  ["readOnly", "false"],
  ["readOnly", 0],
  ["nbf", 1],
  ["scope", "*"],
  ["admin", true],
])("an admin's %s may not be %j", (claim, value) => {
  expect(refused(parseClaims("admin", { ...payload("admin"), [claim]: value }))).toBe("bad-claims");
});

test.each<[TokenKind, string, unknown]>([
  ["agent", "site", undefined],
  ["agent", "site", ""],
  ["agent", "site", "*"],
  ["agent", "site", "Warehouse-3"],
  ["agent", "site", ["warehouse-3"]],
  ["agent", "targets", undefined],
  ["agent", "targets", []],
  ["agent", "targets", "0.0.0.0/0"],
  ["agent", "targets", "*"],
  ["agent", "targets", ["*"]],
  ["agent", "targets", ["10.0.0.1:22 "]],
  ["agent", "targets", ["010.0.0.1"]],
  ["agent", "targets", ["[::1]:0"]],
  ["agent", "targets", ["10.0.0.1:65536"]],
  ["agent", "targets", ["nvr.lan:554"]],
  ["agent", "targets", ["unix:/run/app.sock"]],
  ["agent", "targets", [["10.0.0.1"]]],
  ["agent", "targets", Array(65).fill("10.0.0.0/8")],
  ["agent", "publish", []],
  ["agent", "publish", ["*"]],
  ["agent", "publish", null],
  ["visitor", "endpoints", undefined],
  ["visitor", "endpoints", []],
  ["visitor", "endpoints", "*"],
  ["visitor", "endpoints", ["*"]],
  ["visitor", "endpoints", ["8080"]],
  ["visitor", "endpoints", { 0: "8080/tcp", length: 1 }],
  ["visitor", "from", []],
  ["visitor", "from", ["*"]],
  ["visitor", "from", ["10.1.2.3/8"]],
  ["visitor", "caps", { streams: 0 }],
  ["visitor", "caps", { streams: -1 }],
  ["visitor", "caps", { bytes: Infinity }],
  ["visitor", "caps", { Streams: 1 }],
  ["visitor", "caps", null],
  ["gateway", "endpoints", undefined],
  ["gateway", "endpoints", []],
  ["gateway", "endpoints", ["*"]],
  ["gateway", "bind", undefined],
  ["gateway", "bind", []],
  ["gateway", "bind", ["localhost"]],
  ["gateway", "bind", ["0.0.0.0/0"]],
])("a token for %s may not have %s %j", (kind, claim, value) => {
  expect(refused(parseClaims(kind, { ...payload(kind), [claim]: value }))).toMatch(/^bad-/);
});

test.each([undefined, null, [], "", "null", 7, true, () => 0, [payload("admin")]])(
  "%s is no claims at all",
  (value) => {
    for (const kind of TOKEN_KINDS) expect(refused(parseClaims(kind, value))).toBe("bad-claims");
  },
);

test("a claim hung on the prototype is not there", () => {
  const { readOnly: _, ...rest } = payload("admin") as Record<string, unknown>;
  const polluted = JSON.parse(`${JSON.stringify(rest).slice(0, -1)},"__proto__":{"readOnly":false}}`);
  expect(refused(parseClaims("admin", polluted))).toBe("bad-claims");
});

test("no JSON value makes the parser throw", () => {
  fc.assert(
    fc.property(fc.constantFrom(...TOKEN_KINDS), fc.jsonValue(), (kind, value) => {
      expect(parseClaims(kind, value).ok).toBe(false);
      for (const claim of Object.keys(payload(kind))) parseClaims(kind, { ...payload(kind), [claim]: value });
    }),
    { numRuns: 500 },
  );
});

test("an agent reaches its own targets only", () => {
  const claims = good(parseClaims("agent", payload("agent")));
  expect(mayReach(claims, ip("192.168.2.101"), 80)).toBe(true);
  expect(mayReach(claims, ip("::ffff:192.168.2.101"), 80)).toBe(true);
  expect(mayReach(claims, ip("192.168.2.101"), 81)).toBe(false);
  expect(mayReach(claims, ip("192.168.3.101"), 80)).toBe(false);
  expect(mayReach(claims, ip("2002:c0a8:265::1"), 80)).toBe(false);
});

test("an agent publishes what its token says, and without that nothing", () => {
  const claims = good(
    parseClaims("agent", { ...payload("agent"), publish: ["9000-9099/tcp", "https://*.dev.example", "warehouse-3/*"] }),
  );
  const may = (text: string) => mayPublish(claims, good(parseEndpoint(text)));
  expect(["9000/tcp", "9000-9099/tcp", "https://a.dev.example", "warehouse-3/web"].map(may)).toEqual([
    true,
    true,
    true,
    true,
  ]);
  expect(["9100/tcp", "9000/udp", "https://a.b.dev.example", "https://dev.example", "lab/web"].map(may)).toEqual([
    false,
    false,
    false,
    false,
    false,
  ]);
  expect(mayPublish(good(parseClaims("agent", payload("agent"))), good(parseEndpoint("9000/tcp")))).toBe(false);
});

test("a visitor opens its endpoints only", () => {
  const claims = good(parseClaims("visitor", { ...payload("visitor"), endpoints: ["10000-10019/udp", "lab/ssh"] }));
  const may = (text: string) => mayOpen(opensOf(claims), good(parseEndpoint(text)));
  expect(["10005/udp", "10000-10019/udp", "lab/ssh"].map(may)).toEqual([true, true, true]);
  expect(["10005/tcp", "10020/udp", "lab/web", "shop/ssh", "https://lab"].map(may)).toEqual([
    false,
    false,
    false,
    false,
    false,
  ]);
});

test("a visitor comes from its sources only, undisguised", () => {
  const claims = good(parseClaims("visitor", { ...payload("visitor"), from: ["203.0.113.0/24"] }));
  expect(mayComeFrom(opensOf(claims), ip("203.0.113.9"))).toBe(true);
  expect(mayComeFrom(opensOf(claims), ip("::ffff:203.0.113.9"))).toBe(true);
  expect(mayComeFrom(opensOf(claims), ip("2002:cb00:7109::1"))).toBe(false);
  expect(mayComeFrom(opensOf(claims), ip("2001:db8::1"))).toBe(false);
  expect(mayComeFrom(opensOf(good(parseClaims("visitor", payload("visitor")))), ip("2001:db8::1"))).toBe(true);
});

test("a gateway opens and binds what its token says", () => {
  const every = good(parseClaims("gateway", payload("gateway")));
  expect(mayOpen(opensOf(every), good(parseEndpoint("8080/tcp")))).toBe(true);
  expect(mayBind(every, ip("0.0.0.0"))).toBe(true);
  const some = good(
    parseClaims("gateway", { ...payload("gateway"), endpoints: ["5060/udp"], bind: ["203.0.113.1", "::"] }),
  );
  expect(mayOpen(opensOf(some), good(parseEndpoint("8080/tcp")))).toBe(false);
  expect(["203.0.113.1", "2001:db8::1", "::"].map((text) => mayBind(some, ip(text)))).toEqual([true, true, true]);
  expect(["203.0.113.2", "0.0.0.0", "127.0.0.1"].map((text) => mayBind(some, ip(text)))).toEqual([false, false, false]);
});

test("a read-only administrator changes nothing", () => {
  expect(mayChange(good(parseClaims("admin", payload("admin"))))).toBe(true);
  expect(mayChange(good(parseClaims("admin", { ...payload("admin"), readOnly: true })))).toBe(false);
});

function payload(kind: TokenKind): object {
  return {
    iss: "https://edge.example:8443",
    sub: `${kind}:warehouse-3:x7f3`,
    aud: `sallyport:${kind}`,
    iat: 1_790_000_000,
    exp: 1_800_000_000,
    jti: "Zk3v9-_aXQ12",
    ...SCOPES[kind],
  };
}

function ip(text: string) {
  return good(parseAddress(text));
}
