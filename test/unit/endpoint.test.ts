import fc from "fast-check";
import { expect, test } from "vitest";
import { type Endpoint, endpointKeys, formatEndpoint, overlap, parseEndpoint } from "../../shared/address/endpoint.ts";
import { anyText, good, refused } from "./parsed.ts";

test.each<[string, Endpoint]>([
  ["8080/tcp", { kind: "port", transport: "tcp", first: 8080, last: 8080 }],
  ["5060/udp", { kind: "port", transport: "udp", first: 5060, last: 5060 }],
  ["5060/tcp+udp", { kind: "port", transport: "tcp+udp", first: 5060, last: 5060 }],
  ["10000-10019/udp", { kind: "port", transport: "udp", first: 10000, last: 10019 }],
  ["https://shop.example.com", { kind: "http", scheme: "https", host: "shop.example.com", port: null, prefix: "" }],
  [
    "http://shop.example.com:8080/app/v2",
    { kind: "http", scheme: "http", host: "shop.example.com", port: 8080, prefix: "/app/v2" },
  ],
  ["https://*.example.com", { kind: "http", scheme: "https", host: "*.example.com", port: null, prefix: "" }],
  ["http://[2001:db8::5]:8080", { kind: "http", scheme: "http", host: "2001:db8::5", port: 8080, prefix: "" }],
  ["http://192.0.2.1", { kind: "http", scheme: "http", host: "192.0.2.1", port: null, prefix: "" }],
  ["warehouse-3/ssh", { kind: "service", site: "warehouse-3", name: "ssh" }],
  ["lab/tcp", { kind: "service", site: "lab", name: "tcp" }],
])("%s is read and written", (text, endpoint) => {
  expect(good(parseEndpoint(text))).toEqual(endpoint);
  expect(formatEndpoint(endpoint)).toBe(text);
});

test.each([
  ["https://Shop.Example.COM/", "https://shop.example.com"],
  ["https://shop.example.com.", "https://shop.example.com"],
  ["https://shop.example.com./app/", "https://shop.example.com/app"],
  ["http://[2001:DB8:0:0::5]", "http://[2001:db8::5]"],
  ["7-7/tcp", "7/tcp"],
])("an endpoint has one spelling: %s is %s", (text, canonical) => {
  expect(formatEndpoint(good(parseEndpoint(text)))).toBe(canonical);
});

test.each([
  ...[
    "",
    "/",
    "8080",
    "8080/",
    "/tcp",
    "tcp/8080",
    "0/tcp",
    "65536/tcp",
    "08080/tcp",
    "8080/TCP",
    "8080/sctp",
    "8080/udp+tcp",
    "8080/tcp/udp",
  ],
  ...[
    "8080/tcp ",
    " 8080/tcp",
    "8080 /tcp",
    "8080/tcp\n",
    "8080,8081/tcp",
    "8090-8080/udp",
    "8080-/tcp",
    "-8080/tcp",
    "8080-8090-8100/tcp",
  ],
  ...[
    "Lab/ssh",
    "lab/SSH",
    "lab/",
    "/ssh",
    "lab/ssh/x",
    "-lab/ssh",
    "lab-/ssh",
    "lab/-ssh",
    "l_ab/ssh",
    "lab/s.sh",
    "123/ssh",
    "lab/22",
  ],
  ...[`${"a".repeat(64)}/ssh`, "läb/ssh", "lab/*", "*/ssh", "lab", "../etc", "lab/ssh?x", "lab\u200b/ssh"],
  ...[
    "http://",
    "https://",
    "https:///app",
    "https://:443",
    "https://host:",
    "https://host:0",
    "https://host:65536",
    "https://host:443:443",
  ],
  ...[
    "https://user@host",
    "https://user:pass@host",
    "https://a.example@b.example",
    "https://host?x",
    "https://host#x",
    "https://host/a?b",
    "https://host\\a",
  ],
  ...[
    "https://ho st",
    "https://host/a b",
    "https://host/%61",
    "https://host/a//b",
    "https://host//",
    "https://host/./a",
    "https://host/../a",
    "https://host/a/..",
  ],
  ...[
    "https://host/a;b",
    "https://host/.sallyport",
    "https://host/.sallyport/x",
    "https://host/ä",
    `https://host/${"a".repeat(256)}`,
  ],
  ...[
    "https://*",
    "https://*.",
    "https://*.*.com",
    "https://a.*.com",
    "https://*a.com",
    "https://**.com",
    "https://*.1.2.3.4",
    "https://*.[::1]",
  ],
  ...[
    "https://münchen.de",
    "https://127.1",
    "https://0x7f.1",
    "https://2130706433",
    "https://017.0.0.1",
    "https://::1",
    "https://[::1",
    "https://[fe80::1%25eth0]",
  ],
  ...[
    "HTTPS://host",
    "ftp://host",
    "ws://host",
    "tcp://host:80",
    "https:host",
    "https:/host",
    "javascript:alert(1)",
    "a".repeat(100_000),
  ],
])("%j is not an endpoint", (text) => {
  expect(["bad-endpoint", "bad-ports", "bad-name", "bad-host", "bad-address"]).toContain(refused(parseEndpoint(text)));
});

test.each([
  ["8080", "Write 8080/tcp, 8080/udp or 8080/tcp+udp."],
  ["8080/TCP", "Write 8080/tcp, 8080/udp or 8080/tcp+udp."],
  ["8080,8081/tcp", "Add one mapping for each part of the list."],
  ["https://user@host", "Remove everything up to the @."],
])("%s is told what to write", (text, fix) => {
  expect(parseEndpoint(text)).toMatchObject({ error: { fix } });
});

test("every endpoint prints and parses back", () => {
  fc.assert(
    fc.property(endpoints(), (endpoint) => {
      expect(parseEndpoint(formatEndpoint(endpoint))).toEqual({ ok: true, value: endpoint });
    }),
  );
});

test("nothing makes the parser throw, and what it takes is canonical at once", () => {
  const pieces = fc.array(
    fc.constantFrom(
      "8080",
      "-",
      "/",
      "tcp",
      "+",
      "udp",
      "https://",
      ":",
      "*.",
      "a",
      "[",
      "]",
      "::1",
      ".",
      "@",
      ",",
      "%",
      " ",
    ),
    { maxLength: 8 },
  );
  fc.assert(
    fc.property(
      fc.oneof(
        pieces.map((parts) => parts.join("")),
        anyText(),
      ),
      (text) => {
        const first = parseEndpoint(text);
        if (first.ok) expect(parseEndpoint(formatEndpoint(first.value))).toEqual(first);
      },
    ),
    { numRuns: 5000 },
  );
});

test.each([
  ["8080/tcp", "8080/tcp", "8080/tcp"],
  ["8080/tcp", "8080/udp", undefined],
  ["8080/tcp", "8081/tcp", undefined],
  ["5060/tcp+udp", "5060/udp", "5060/udp"],
  ["5060/tcp+udp", "5060/tcp+udp", "5060/tcp"],
  ["10000-10019/udp", "10010-10030/udp", "10010/udp"],
  ["10000-10019/udp", "10020-10030/udp", undefined],
  ["https://shop.example.com", "https://SHOP.example.com/", "https://shop.example.com"],
  ["https://shop.example.com", "http://shop.example.com", undefined],
  ["https://shop.example.com", "https://shop.example.com:8443", undefined],
  ["https://shop.example.com", "https://shop.example.com/app", undefined],
  ["https://*.example.com", "https://shop.example.com", undefined],
  ["lab/ssh", "lab/ssh", "lab/ssh"],
  ["lab/ssh", "lab/web", undefined],
  ["lab/ssh", "shop/ssh", undefined],
  ["443/tcp", "https://shop.example.com:443", undefined],
])("%s and %s both occupy %s", (a, b, shared) => {
  expect(overlap(good(parseEndpoint(a)), good(parseEndpoint(b)))).toBe(shared);
  expect(overlap(good(parseEndpoint(b)), good(parseEndpoint(a)))).toBe(shared);
});

test.each([
  ["8080/tcp", ["8080/tcp"]],
  ["5060/tcp+udp", ["5060/tcp", "5060/udp"]],
  ["8090-8092/tcp", ["8090/tcp", "8091/tcp", "8092/tcp"]],
  ["https://shop.example.com/app/", ["https://shop.example.com/app"]],
  ["lab/ssh", ["lab/ssh"]],
])("%s occupies %j", (text, keys) => {
  expect(endpointKeys(good(parseEndpoint(text)))).toEqual(keys);
});

test("endpoints overlap exactly if they have a key in common, and name such a key", () => {
  fc.assert(
    fc.property(endpoints(), endpoints(), (a, b) => {
      const common = endpointKeys(a).filter((key) => endpointKeys(b).includes(key));
      const named = overlap(a, b);
      if (named === undefined) expect(common).toEqual([]);
      else expect(common).toContain(named);
    }),
    { numRuns: 1000 },
  );
});

function endpoints(): fc.Arbitrary<Endpoint> {
  const port = fc
    .record({
      transport: fc.constantFrom("tcp" as const, "udp" as const, "tcp+udp" as const),
      first: fc.integer({ min: 1, max: 40 }),
      more: fc.nat(9),
    })
    .map(({ transport, first, more }): Endpoint => ({ kind: "port", transport, first, last: first + more }));
  const http = fc.record({
    kind: fc.constant("http" as const),
    scheme: fc.constantFrom("http" as const, "https" as const),
    host: fc.constantFrom("a.example", "*.example", "192.0.2.1", "2001:db8::1"),
    port: fc.constantFrom(null, 80, 8443),
    prefix: fc.constantFrom("", "/app", "/app/v2", "/~a_b-c.d"),
  });
  const service = fc.record({
    kind: fc.constant("service" as const),
    site: fc.constantFrom("lab", "warehouse-3"),
    name: fc.constantFrom("ssh", "tcp"),
  });
  return fc.oneof(port, http, service);
}
