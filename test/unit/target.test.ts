import fc from "fast-check";
import { expect, test } from "vitest";
import { formatTarget, parseTarget, stretch, type Target, targetAt } from "../../shared/address/target.ts";
import { anyText, good, refused } from "./parsed.ts";

test.each<[string, Target]>([
  ["192.168.2.101:8080", { kind: "port", host: "192.168.2.101", first: 8080, last: 8080 }],
  ["192.168.2.5:10000-10019", { kind: "port", host: "192.168.2.5", first: 10000, last: 10019 }],
  ["[fd00::5]:22", { kind: "port", host: "fd00::5", first: 22, last: 22 }],
  ["nvr.lan:554", { kind: "port", host: "nvr.lan", first: 554, last: 554 }],
  ["localhost:3000", { kind: "port", host: "localhost", first: 3000, last: 3000 }],
  ["http://192.168.2.101:8080", { kind: "http", scheme: "http", host: "192.168.2.101", port: 8080 }],
  ["http://192.168.2.101", { kind: "http", scheme: "http", host: "192.168.2.101", port: 80 }],
  ["https://nas.lan", { kind: "http", scheme: "https", host: "nas.lan", port: 443 }],
  ["https://[fd00::5]:8443", { kind: "http", scheme: "https", host: "fd00::5", port: 8443 }],
  ["http://[fd00::5]", { kind: "http", scheme: "http", host: "fd00::5", port: 80 }],
  ["unix:/run/app.sock", { kind: "unix", path: "/run/app.sock" }],
  ["http+unix:/run/app.sock", { kind: "http+unix", path: "/run/app.sock" }],
])("%s is read and written", (text, target) => {
  expect(good(parseTarget(text))).toEqual(target);
  expect(formatTarget(target)).toBe(text);
});

test.each([
  ["NVR.lan.:554", "nvr.lan:554"],
  ["http://NAS.lan:80/", "http://nas.lan"],
  ["https://nas.lan:443", "https://nas.lan"],
  ["http://nas.lan:443", "http://nas.lan:443"],
  ["[::ffff:10.0.0.1]:80", "10.0.0.1:80"],
  ["[FD00:0::5]:22", "[fd00::5]:22"],
])("a target has one spelling: %s is %s", (text, canonical) => {
  expect(formatTarget(good(parseTarget(text)))).toBe(canonical);
});

test.each([
  ...[
    "",
    ":",
    ":80",
    "host",
    "host:",
    "host:0",
    "host:65536",
    "host:080",
    "host:+80",
    "host:80:80",
    "host:http",
    "host:80-",
    "host:90-80",
    "host:80,81",
  ],
  ...[
    "127.1:80",
    "127.0.1:80",
    "0:80",
    "2130706433:80",
    "0x7f.1:80",
    "0x7f000001:80",
    "017.0.0.1:80",
    "0177.0.0.1:80",
    "127.0.0.1.:80",
    "1.2.3.256:80",
  ],
  ...["http://127.1", "http://0x7f.1", "http://2130706433", "https://017.0.0.1:8443", "http://[::127.1]"],
  ...[
    "0.0.0.0:80",
    "[::]:80",
    "255.255.255.255:9",
    "239.255.255.250:1900",
    "[ff02::1]:80",
    "[64:ff9b::]:80",
    "http://0.0.0.0",
    "http://[::]:80",
    "0.1.2.3:80",
  ],
  ...[
    "fd00::5:22",
    "::1:80",
    "[fd00::5]",
    "[fd00::5]22",
    "[fd00::5]:",
    "[1.2.3.4]:80",
    "[nvr.lan]:80",
    "[fe80::1%eth0]:80",
    "[fd00::5:22",
  ],
  ...[
    "nvr lan:80",
    " nvr:80",
    "nvr:80 ",
    "nvr:80\n",
    "nvr\0.lan:80",
    "nvr\r\n:80",
    "nvr\x1b:80",
    "user@nvr:80",
    "nvr#:80",
    "nvr?:80",
    "nvr%2elan:80",
    "nvr\\:80",
  ],
  ...["nvr。lan:80", "münchen.de:80", "\u202Envr:80", "nvr\u200b:80"],
  ...[
    "http://",
    "http:///",
    "http://:80",
    "http://nas:0",
    "http://nas:",
    "http://nas/app",
    "http://nas//",
    "http://nas?x",
    "http://nas#x",
    "http://u:p@nas",
  ],
  ...["http://nas:80-90", "HTTP://nas", "ftp://nas", "ws://nas:80", "file:///etc/passwd", "http:nas:80", "http:/nas"],
  ...[
    "unix:",
    "unix:run",
    "unix://",
    "unix:/",
    "unix:/run/",
    "unix:/run/../app.sock",
    "unix:/./app.sock",
    "unix:/run//app.sock",
    "unix:/..",
    "unix:/a b",
  ],
  ...[
    `unix:/${"a".repeat(107)}`,
    "http+unix:",
    "http+unix://x",
    "https+unix:/run/app.sock",
    "*.lan:80",
    "a".repeat(100_000),
    "1:".repeat(10_000),
  ],
])("%j is not a target", (text) => {
  expect(["bad-target", "bad-host", "bad-ports", "bad-address"]).toContain(refused(parseTarget(text)));
});

test("every target that prints parses back", () => {
  fc.assert(
    fc.property(targets(), (target) => {
      expect(parseTarget(formatTarget(target))).toEqual({ ok: true, value: target });
    }),
  );
});

test("nothing makes the parser throw, and what it takes is canonical at once", () => {
  const pieces = fc.array(
    fc.constantFrom(
      "nvr.lan",
      "10.0.0.1",
      "[",
      "fd00::5",
      "]",
      ":",
      "80",
      "-",
      "https://",
      "unix:",
      "http+",
      "/",
      "run",
      ".",
      "0",
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
        const first = parseTarget(text);
        if (first.ok) expect(parseTarget(formatTarget(first.value))).toEqual(first);
      },
    ),
    { numRuns: 5000 },
  );
});

test("a range goes port for port, and one port is the first of as many", () => {
  const range = { first: 10000, last: 10019 };
  for (const text of ["192.168.2.5:20000-20019", "192.168.2.5:20000"]) {
    const target = good(stretch(portTarget(text), range));
    expect(formatTarget(target)).toBe("192.168.2.5:20000-20019");
    expect(formatTarget(targetAt(target, range, 10000))).toBe("192.168.2.5:20000");
    expect(formatTarget(targetAt(target, range, 10019))).toBe("192.168.2.5:20019");
  }
});

test.each([
  ["192.168.2.5:20000-20009", "Write 192.168.2.5:20000-20019."],
  ["192.168.2.5:65530", "Choose a lower first port."],
  ["192.168.2.5:65530-65531", "Choose a lower first port."],
])("%s does not fit twenty ports", (text, fix) => {
  expect(stretch(portTarget(text), { first: 10000, last: 10019 })).toMatchObject({
    error: { code: "bad-mapping", fix },
  });
});

function portTarget(text: string) {
  const target = good(parseTarget(text));
  if (target.kind !== "port") expect.fail("not HOST:PORT");
  return target;
}

function targets(): fc.Arbitrary<Target> {
  const host = fc.constantFrom("nvr.lan", "192.168.2.5", "fd00::5", "localhost");
  const port = fc.integer({ min: 1, max: 65535 });
  const single = fc
    .record({ kind: fc.constant("port" as const), host, first: port })
    .map((target): Target => ({ ...target, last: target.first }));
  const http = fc.record({
    kind: fc.constant("http" as const),
    scheme: fc.constantFrom("http" as const, "https" as const),
    host,
    port,
  });
  const unix = fc.record({
    kind: fc.constantFrom("unix" as const, "http+unix" as const),
    path: fc.constantFrom("/run/app.sock", "/a", "/a/b-c_d.e"),
  });
  return fc.oneof(single, http, unix);
}
