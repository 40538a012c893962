import fc from "fast-check";
import { expect, test } from "vitest";
import type * as z from "zod";
import { Cut, decodeControl, encodeControl, Goaway, Hello, Renew, Routes, Welcome } from "../../shared/wire/control.ts";
import { SessionError } from "../../shared/wire/errors.ts";
import { decodeFrame, encodeFrame, TYPE } from "../../shared/wire/frame.ts";
import { MAX_CONTROL } from "../../shared/wire/limits.ts";

const HELLO = {
  protocol: 1,
  kind: "agent",
  incarnation: "0123456789abcdef0123456789abcdef",
  lane: 0,
  version: "0.1.0",
  frameBytes: 262_144,
  features: ["later"],
} as const;

const WELCOME = {
  protocol: 1,
  boot: "b007",
  instance: "1257",
  epoch: 7,
  site: "warehouse-3",
  slot: 12,
  budget: 8_388_608,
  time: 1_763_800_000_000,
  graceMs: 60_000,
  version: "0.1.0",
  limits: { frameBytes: 65_536, streams: 16_384, opensPerSecond: 400 },
  features: [],
};

const ROUTES = {
  slots: [{ slot: 12, incarnation: "ab", agent: "agent:lab:x", frameBytes: 262_144 }],
  endpoints: [{ endpoint: "5060/udp", kind: "udp", access: "public", slots: [12] }],
};

function read<T>(schema: z.ZodType<T>, body: unknown): T {
  return decodeControl(decodeFrame(encodeControl(TYPE.HELLO, body)), schema);
}

test("what the document shows is understood", () => {
  expect(read(Hello, HELLO)).toEqual(HELLO);
  expect(read(Welcome, WELCOME)).toEqual(WELCOME);
  expect(read(Routes, ROUTES)).toEqual(ROUTES);
  expect(read(Goaway, { code: "draining", reason: "update" })).toMatchObject({ code: "draining" });
  for (const renew of [{}, { token: "a.b.c" }, { code: "denied", reason: "revoked" }])
    expect(read(Renew, renew)).toEqual(renew);
});

test("an end that does not say takes DATA frames of 64 KiB; no end takes less", () => {
  const { frameBytes: _, ...silent } = HELLO;
  expect(read(Hello, silent).frameBytes).toBe(65_536);
  expect(read(Hello, { ...HELLO, frameBytes: 2 ** 30 }).frameBytes).toBe(2 ** 30);
  expect(() => read(Hello, { ...HELLO, frameBytes: 65_535 })).toThrow(SessionError);
});

test("a frame carries its offset and flags beside the JSON", () => {
  expect(decodeFrame(encodeControl(TYPE.ROUTES, ROUTES, 9, 2))).toMatchObject({
    type: TYPE.ROUTES,
    offset: 9,
    flags: 2,
    stream: 0,
  });
});

test("fields of a later version are passed over", () => {
  expect(read(Hello, { ...HELLO, later: true })).toEqual(HELLO);
  expect(
    Object.keys(read(Hello, JSON.parse('{"__proto__":{"kind":"client"},"x":1,' + JSON.stringify(HELLO).slice(1)))),
  ).toEqual(Object.keys(HELLO));
});

test.each<[string, Record<string, unknown>]>([
  ["no protocol", { protocol: undefined }],
  ["a protocol in words", { protocol: "1" }],
  ["a half protocol", { protocol: 1.5 }],
  ["an unknown kind", { kind: "relay" }],
  ["a short incarnation", { incarnation: "0123" }],
  ["an incarnation in capitals", { incarnation: "0123456789ABCDEF0123456789ABCDEF" }],
  ["a lane over 15", { lane: 16 }],
  ["a lane below 0", { lane: -1 }],
  ["a long version", { version: "9".repeat(201) }],
  ["features that are no list", { features: "none" }],
  ["too many features", { features: Array.from({ length: 33 }, () => "x") }],
])("a HELLO with %s is refused", (_name, change) => {
  expect(() => read(Hello, { ...HELLO, ...change })).toThrow(SessionError);
});

test.each<[string, Record<string, unknown>]>([
  ["no boot", { boot: undefined }],
  ["a budget below 0", { budget: -1 }],
  ["limits that are none", { limits: {} }],
  ["a grace period of days", { graceMs: 86_400_000 }],
  ["a grace period before now", { graceMs: -1 }],
  ["a slot in words", { slot: "12" }],
])("a WELCOME with %s is refused", (_name, change) => {
  expect(() => read(Welcome, { ...WELCOME, ...change })).toThrow(SessionError);
});

test("an edge that says nothing of a grace period means a minute, one may say ten", () => {
  const { graceMs: _, ...silent } = WELCOME;
  expect(read(Welcome, silent).graceMs).toBe(60_000);
  expect(read(Welcome, { ...silent, graceMs: 600_000 }).graceMs).toBe(600_000);
});

test("CUT names exactly one subject", () => {
  const why = { code: "cut", reason: "the mapping was removed" };
  for (const subject of [{ mapping: 0 }, { token: "j" }, { grant: "g" }]) {
    expect(read(Cut, { ...subject, ...why })).toEqual({ ...subject, ...why });
  }
  expect(() => read(Cut, why)).toThrow(SessionError);
  expect(() => read(Cut, { mapping: 1, token: "j", ...why })).toThrow(SessionError);
  expect(() => read(Cut, { mapping: -1, ...why })).toThrow(SessionError);
});

test("a RENEW that says nothing known is refused", () => {
  expect(() => read(Renew, { jti: "x" })).toThrow(SessionError);
});

test("what is not JSON, not UTF-8 or too large is refused, whatever it would say", () => {
  const bodies = ["", "{", "nul", '{"a":1}{', " ".repeat(MAX_CONTROL + 1)].map((text) =>
    new TextEncoder().encode(text),
  );
  for (const body of [...bodies, Uint8Array.of(0xff, 0xfe), Uint8Array.of(0x22, 0xc3, 0x22)]) {
    expect(() => decodeControl(decodeFrame(encodeFrame({ type: TYPE.HELLO }, body)), Hello)).toThrow(SessionError);
  }
});

test("any JSON is a control message or a SessionError", () => {
  const body = fc.oneof(
    fc.jsonValue(),
    fc.record({ lane: fc.jsonValue(), kind: fc.jsonValue() }).map((change) => ({ ...HELLO, ...change })),
  );
  fc.assert(
    fc.property(body as fc.Arbitrary<unknown>, (each) => {
      for (const schema of [Hello, Welcome, Routes, Goaway, Cut, Renew]) {
        try {
          read<unknown>(schema, each);
        } catch (error) {
          expect(error).toBeInstanceOf(SessionError);
        }
      }
    }),
  );
});
