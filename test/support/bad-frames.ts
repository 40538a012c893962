/** Messages no relay should take, or should take and make nothing of: by name, with what must become of the lane. */
import { encodeControl } from "../../shared/wire/control.ts";
import { encodeFields } from "../../shared/wire/fields.ts";
import { encodeFrame, HEADER_BYTES, TYPE, viewOf, type TypeName } from "../../shared/wire/frame.ts";
import { MAX_CONTROL, MAX_FRAME } from "../../shared/wire/limits.ts";
import { encodeOpen } from "../../shared/wire/open.ts";
import type { HandKind } from "./hand-made.ts";

/** `ends`: the lane is closed with 4400; `lives`: it goes on. */
export type BadFrame = { name: string; message: Uint8Array | string; lane: "ends" | "lives" };

/** From whom a relay takes each type: the decision that test/e2e/decisions.test.ts holds. */
const TAKEN: Partial<Record<TypeName, readonly HandKind[]>> = {
  MARK: ["agent", "client", "gateway"],
  GOAWAY: ["agent", "client", "gateway"],
  RENEW: ["agent", "gateway"],
  REPORT: ["agent"],
  SESSION: ["client", "gateway"],
  WINDOW: ["agent", "client", "gateway"],
  RESUME: ["client", "gateway"],
  RESUMED: ["agent"],
  NUDGE: ["agent"],
  END: ["agent", "client", "gateway"],
  OPEN: ["client", "gateway"],
  ACCEPT: ["agent"],
  REJECT: ["agent"],
  DATA: ["agent", "client", "gateway"],
  FIN: ["agent", "client", "gateway"],
  RESET: ["agent", "client", "gateway"],
  CREDIT: ["agent", "client", "gateway"],
  ASK: ["agent", "client", "gateway"],
  DGRAM: ["agent", "client", "gateway"],
  UNKNOWN_FLOW: ["agent"],
  BATCH: ["agent", "client", "gateway"],
};

const JUNK: readonly Uint8Array[] = [
  new Uint8Array(0),
  Uint8Array.of(0),
  new Uint8Array(7).fill(255),
  new Uint8Array(64).fill(1),
  new TextEncoder().encode('{"__proto__":{"code":"x"},"constructor":1}'),
  new Uint8Array(9_000).map((_, index) => (index * 2_654_435_761) >>> 24),
];

/** Types whose payload the relay itself reads: junk in them ends the lane. */
const READ: ReadonlySet<TypeName> = new Set(["REPORT", "RESUME"]);

/** All of them for one kind of end; `slot` and `channel` are where its frames go. */
export function badFrames(kind: HandKind, to: { slot?: number; channel?: number }): BadFrame[] {
  return [...headers(), ...types(kind, to), ...(kind === "agent" ? reports() : opens(to))];
}

function headers(): BadFrame[] {
  const ends = (name: string, message: Uint8Array | string): BadFrame => ({ name, message, lane: "ends" });
  const frame = (change: (bytes: Uint8Array) => void): Uint8Array => {
    const bytes = encodeFrame({ type: TYPE.DATA, stream: 1 });
    change(bytes);
    return bytes;
  };
  const unknown = [0x00, 0x0c, 0x0f, 0x16, 0x1f, 0x29, 0x2f, 0x32, 0x3f, 0x41, 0x7f, 0x80, 0xdf, 0xf0, 0xff];
  const texts = ["", "PING", "ping ", "pong", "ping\0", "{}", "\u0001".repeat(28), "x".repeat(70_000)];
  return [
    ...texts.map((text) => ends(`the text ${JSON.stringify(text.slice(0, 20))}`, text)),
    ...[0, 1, 3, 4, 11, 12, 19, 20, 27].map((size) =>
      ends(`a frame of ${size} bytes`, new Uint8Array(size).fill(0x24)),
    ),
    ...unknown.map((type) =>
      ends(
        `type 0x${type.toString(16)}`,
        frame((bytes) => (bytes[0] = type)),
      ),
    ),
    ...[4, 8, 16, 32, 64, 128, 255].map((flags) =>
      ends(
        `flags ${flags}`,
        frame((bytes) => (bytes[1] = flags)),
      ),
    ),
    ...[1, 128, 255].map((byte) =>
      ends(
        `byte 3 is ${byte}`,
        frame((bytes) => (bytes[3] = byte)),
      ),
    ),
    ...[0x0020_0000, 0x8000_0000, 0xffff_ffff].flatMap((high) => [
      ends(
        `stream ${high.toString(16)}`,
        frame((bytes) => viewOf(bytes).setUint32(12, high)),
      ),
      ends(
        `offset ${high.toString(16)}`,
        frame((bytes) => viewOf(bytes).setUint32(20, high)),
      ),
    ]),
    ends("more than any frame holds", new Uint8Array(MAX_FRAME + MAX_CONTROL + 1).fill(0x24)),
  ];
}

function types(kind: HandKind, to: object): BadFrame[] {
  return Object.entries(TYPE).flatMap(([name, type]) =>
    JUNK.map((junk, index): BadFrame => {
      const taken = TAKEN[name as TypeName]?.includes(kind) === true;
      const reads = READ.has(name as TypeName) || (type === TYPE.OPEN && index > 0);
      const message = encodeFrame({ type, stream: type < TYPE.OPEN ? 0 : 9, ...(type < TYPE.SESSION ? {} : to) }, junk);
      return { name: `${name} with junk ${index}`, message, lane: taken && !reads ? "lives" : "ends" };
    }),
  );
}

function opens(to: object): BadFrame[] {
  const open = (name: string, payload: Uint8Array, lane: BadFrame["lane"]): BadFrame => {
    return { name: `OPEN ${name}`, message: encodeFrame({ type: TYPE.OPEN, stream: 5, ...to }, payload), lane };
  };
  const endpoints = [
    ...[
      "",
      " ",
      "*",
      "lab/*",
      "/",
      "lab/",
      "/a",
      "lab/a/b",
      "LAB/a",
      "lab/..",
      "lab/%61",
      "lab\\a",
      "__proto__",
      "constructor",
    ],
    ...["8080", "8080/tcp/udp", "0/tcp", "65536/tcp", "-1/tcp", "1e3/tcp", "8080/sctp", "8080-8079/tcp", "1-65535/tcp"],
    ...["http://", "https://a@b/", "http://a:0/", "http://[::1", "https://a b/", "http://a/../b", "tcp://a:1"],
    ...[
      "127.0.0.1:22",
      "169.254.169.254:80",
      "unix:/etc/passwd",
      "localhost:1",
      "\u202e/a",
      "ⓛab/a",
      "lab/ａ",
      "x".repeat(60_000),
    ],
  ];
  return [
    ...endpoints.map((endpoint) =>
      open(JSON.stringify(endpoint.slice(0, 30)), encodeOpen({ endpoint, visitor: "" }), "lives"),
    ),
    ...["\0", "a\0b", "a\nb", "\u001b[2J"].map((text) => open(JSON.stringify(text), encodeFields({ 1: text }), "ends")),
    open("in no encoding", Uint8Array.of(1, 0, 2, 0xc3, 0x28), "ends"),
    open("with a field twice", Uint8Array.of(1, 0, 1, 97, 1, 0, 1, 97), "ends"),
    open("cut short", Uint8Array.of(1, 0, 9, 97), "ends"),
    open("with fields of tomorrow", encodeFields({ 1: "lab/none", 77: "x", 200: new Uint8Array(500) }), "lives"),
  ];
}

/** What an agent says of a stream that has ended. */
export const REPORT = {
  at: 1,
  ended: 2,
  mapping: 1,
  token: "x",
  endpoint: "x",
  target: "",
  visitor: "",
  bytesIn: 0,
  bytesOut: 0,
  outcome: "done",
  code: "",
  reason: "",
};

function reports(): BadFrame[] {
  const said = (name: string, body: unknown, lane: BadFrame["lane"]): BadFrame => {
    return { name: `REPORT ${name}`, message: encodeControl(TYPE.REPORT, body), lane };
  };
  const wrong: [name: string, change: object][] = [
    ["without a mapping", { mapping: undefined }],
    ["of a negative mapping", { mapping: -1 }],
    ["of half a byte", { bytesIn: 0.5 }],
    ["of 2^53 bytes", { bytesOut: 2 ** 53 }],
    ["of a new outcome", { outcome: "won" }],
    ["with a long reason", { reason: "x".repeat(301) }],
    ["with a long endpoint", { endpoint: "x".repeat(201) }],
    ["whose times are texts", { at: "1" }],
    ["whose visitor is a list", { visitor: [] }],
  ];
  const strange: [name: string, change: object][] = [
    ["of the end of time", { at: 1e300, ended: -1e300 }],
    ["of somebody else's mapping", { mapping: 999_999, outcome: "refused", code: "denied" }],
    ["that commands a terminal", { reason: '\u001b[2J\r\n{"msg":"ready"}', visitor: "\u202e" }],
    ["of a code nobody knows", { code: "__proto__" }],
  ];
  return [
    ...wrong.map(([name, change]) => said(name, { ...REPORT, ...change }, "ends")),
    ...strange.map(([name, change]) => said(name, { ...REPORT, ...change }, "lives")),
    ...["", "{", "[]", "null", "1", "[".repeat(20_000)].map((text): BadFrame => {
      const message = new Uint8Array([...encodeFrame({ type: TYPE.REPORT }), ...new TextEncoder().encode(text)]);
      return {
        name: `REPORT ${text.slice(0, 10)}`,
        message: message.subarray(0, HEADER_BYTES + text.length),
        lane: "ends",
      };
    }),
  ];
}
