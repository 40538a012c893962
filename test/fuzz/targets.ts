/** Everything that reads what strangers write: each takes any text and says what became of it, or throws because something must not be. */
import { isIP } from "node:net";
import ipaddr from "ipaddr.js";
import * as z from "zod";
import { parseConfig } from "../../agent/config.ts";
import { rulesFrom } from "../../cli/rules-file.ts";
import { verifyToken } from "../../edge/tokens.ts";
import { Problem } from "../../link/problem.ts";
import { parseAddress } from "../../shared/address/address.ts";
import { batch, unbatch } from "../../shared/wire/batch.ts";
import { cidrContains, parseCidr } from "../../shared/address/cidr.ts";
import { parseClaims, TOKEN_KINDS } from "../../shared/rule/claims.ts";
import { Cut, decodeControl, Hello, Renew, Report, Routes, Welcome } from "../../shared/wire/control.ts";
import { decodeDialOptions } from "../../shared/wire/dial-options.ts";
import { endpointKeys, formatEndpoint, parseEndpoint } from "../../shared/address/endpoint.ts";
import { SessionError } from "../../shared/wire/errors.ts";
import { decodeFields, encodeFields } from "../../shared/wire/fields.ts";
import { decodeFrame, encodeFrame, TYPE } from "../../shared/wire/frame.ts";
import { decodeRequestHead, decodeResponseHead, encodeRequestHead } from "../../shared/http/head.ts";
import { parseAuthority } from "../../shared/address/http-authority.ts";
import { RecordReader, RECORD_HEADER } from "../../shared/http/record.ts";
import { decodeAccept, decodeDial, decodeFailure, decodeOpen } from "../../shared/wire/open.ts";
import { formatPorts, parsePorts } from "../../shared/address/ports.ts";
import { proxyHeader, readProxyHeader } from "../../shared/proxy-protocol.ts";
import { decodeResume, decodeResumed, encodeResume } from "../../shared/wire/resume.ts";
import { Session } from "../../shared/session/session.ts";
import { parseScope } from "../../shared/rule/scope.ts";
import { formatSocketAddress, parseSocketAddress } from "../../shared/address/socket-address.ts";
import { formatTarget, parseTarget } from "../../shared/address/target.ts";
import { formatTargetRule, parseTargetRule } from "../../shared/address/target-rule.ts";
import { clean, isPlainText } from "../../shared/text.ts";
import { hexOf, slowDecode, slowEncode } from "../unit/slow-codec.ts";

/** Answers in a few words what it took the input for; two inputs with the same words are of one kind. */
export type FuzzTarget = {
  check: (input: string) => string | Promise<string>;
  words: readonly string[];
  /** Good ones, to begin with. */ seeds?: readonly string[];
};

const bytesOf = (input: string): Uint8Array => Uint8Array.from(input, (char) => char.charCodeAt(0) & 0xff);

function assert(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(`must not be: ${what}`);
}

/** What a decoder makes of bytes: SessionError is its one way to say no. */
function decoded<T>(decode: () => T): { ok: true; value: T } | { ok: false; why: string } {
  try {
    return { ok: true, value: decode() };
  } catch (error) {
    if (error instanceof SessionError)
      return { ok: false, why: `${error.code} ${error.message.replace(/\d+|0x[0-9a-f]+/g, "N")}` };
    throw error;
  }
}

type Parsed<T> = { ok: true; value: T } | { ok: false; error: { code: string } };

/** A text that is taken is written in one way, and that way is taken again for the same. */
function canonical<T>(parse: (text: string) => Parsed<T>, format: (value: T) => string, input: string): string {
  const parsed = parse(input);
  if (!parsed.ok) return parsed.error.code;
  const text = format(parsed.value);
  const again = parse(text);
  assert(again.ok, `${JSON.stringify(text)} is refused, and is how ${JSON.stringify(input)} is written`);
  assert(format(again.value) === text, `${JSON.stringify(text)} is written ${JSON.stringify(format(again.value))}`);
  assert(isPlainText(text), `${JSON.stringify(text)} has hidden characters`);
  return "taken";
}

const ADDRESSES = [
  "127.0.0.1",
  "::1",
  "::ffff:",
  "64:ff9b::",
  "2002:7f00:1::",
  "fe80::1%eth0",
  "0x7f",
  "010",
  "255",
  ".",
  ":",
  "%",
  "/",
  "/32",
  "/0",
  "/128",
  "[",
  "]",
];
const ENDPOINTS = [
  ...ADDRESSES,
  "http://",
  "https://",
  "8080",
  "/tcp",
  "/udp",
  "/tcp+udp",
  "-",
  "lab/",
  "ssh",
  "*",
  "?",
  "#",
  "@",
  "\\",
  "..",
  "%2f",
  "xn--",
  "。",
  "ⓛ",
  "\u0000",
  "\r\n",
  " ",
  "unix:",
  "unix:/run/x.sock",
  "http+unix://",
  "65535",
  "65536",
  "0",
  "é",
  "ß",
  "İ",
];
const BINARY = [
  "\0",
  "\u0001",
  "ÿ",
  "\0\0\0\0",
  "ÿÿÿÿ",
  "$",
  "\u0020",
  "@",
  "\u0010",
  "{}",
  '"',
  "PROXY ",
  "TCP4 ",
  "\r\n",
  "\u000d\u000a\u000d\u000a\u0000\u000d\u000aQUIT\u000a",
  "\u0021\u0011\u0000\u000c",
];
const JSONS = [
  "{",
  "}",
  "[",
  "]",
  '"',
  ":",
  ",",
  "null",
  "true",
  "-1",
  "1e400",
  "0.1",
  "9007199254740993",
  '"__proto__"',
  '"kind"',
  '"agent"',
  '"exp"',
  '"aud"',
  '"targets"',
  '"endpoints"',
  '"code"',
  '"reason"',
  '"mapping"',
  '"token"',
  '"probe"',
  '"guard"',
  "\\u0000",
  "\\ud800",
];
const TOMLS = [
  "[",
  "]",
  "[[mapping]]",
  "=",
  "\n",
  '"',
  "'",
  '"""',
  "#",
  "token",
  "allow",
  "deny",
  "edge",
  "endpoint",
  "site",
  "target",
  "true",
  "1979-05-27",
  "inf",
  "nan",
  "__proto__",
  ".",
  "{",
  "}",
  ",",
];

export const TARGETS: Readonly<Record<string, FuzzTarget>> = {
  frame: {
    words: BINARY,
    check: (input) => {
      const bytes = bytesOf(input);
      const fast = decoded(() => decodeFrame(bytes));
      const slow = slowDecode(hexOf(bytes));
      assert(fast.ok === (slow !== undefined), "the slow decoder thinks otherwise");
      if (!fast.ok) return fast.why;
      assert(
        slow !== undefined && slowEncode(slow) === slowEncode(fast.value),
        "the slow decoder reads something else",
      );
      assert(hexOf(encodeFrame(fast.value, fast.value.payload)) === hexOf(bytes), "it is encoded otherwise");
      return `type ${fast.value.type}`;
    },
  },
  batch: {
    words: BINARY,
    check: (input) => {
      const frame = decodeFrame(encodeFrame({ type: TYPE.BATCH }, bytesOf(input)));
      const entries = decoded(() => unbatch(frame));
      if (!entries.ok) return entries.why;
      if (entries.value.length === 0) return "empty";
      const again = batch(entries.value.map((entry) => encodeFrame(entry, entry.payload)));
      assert(hexOf(again) === hexOf(encodeFrame({ type: TYPE.BATCH }, bytesOf(input))), "it is batched otherwise");
      return `${Math.min(3, entries.value.length)} of ${entries.value[0]?.type ?? 0}`;
    },
  },
  fields: {
    words: BINARY,
    check: (input) => {
      const fields = decoded(() => decodeFields(bytesOf(input)));
      if (!fields.ok) return fields.why;
      const tags = [...fields.value.keys()];
      const sorted = tags.every((tag, index) => index === 0 || tag > (tags[index - 1] ?? 0));
      if (sorted)
        assert(hexOf(encodeFields(Object.fromEntries(fields.value))) === hexOf(bytesOf(input)), "encoded otherwise");
      return `${Math.min(4, tags.length)} fields`;
    },
  },
  payloads: {
    seeds: [
      "\u0001\0\u000b127.0.0.1:1\u0002\0\u0001\u0001",
      "\u0001\0\u0006denied\u0002\0\u0001x\u0003\0\u0001\u0001",
      "\0".repeat(50),
      "\u0001".repeat(98),
    ],
    words: [...BINARY, ...ADDRESSES],
    check: (input) => {
      const bytes = bytesOf(input);
      const seen = [decodeOpen, decodeDial, decodeAccept, decodeFailure, decodeResumed].map((decode) => {
        const result = decoded<unknown>(() => decode(bytes));
        return result.ok ? "taken" : result.why.slice(0, 30);
      });
      const resume = decoded(() => decodeResume(bytes));
      if (resume.ok && resume.value.records.every(({ lane }) => lane < 16)) {
        const [page = new Uint8Array(0)] = encodeResume(resume.value);
        const again = decodeResume(page);
        assert(JSON.stringify(again) === JSON.stringify(resume.value), "a RESUME is read otherwise");
      }
      return [...seen, resume.ok ? `resume ${Math.min(2, resume.value.records.length)}` : resume.why].join("; ");
    },
  },
  control: {
    seeds: [
      '{"protocol":1,"kind":"agent","incarnation":"00000000000000000000000000000000","lane":0,"version":"1","features":[]}',
      '{"protocol":1,"boot":"b","instance":"i","epoch":1,"site":"lab","slot":1,"budget":1,"time":1,"version":"1","limits":{"frameBytes":1,"streams":1,"opensPerSecond":1},"features":[]}',
      '{"slots":[{"slot":1,"incarnation":"x","agent":"y"}],"endpoints":[{"endpoint":"lab/a","kind":"tcp","access":"public","slots":[1]}]}',
      '{"mapping":1,"code":"cut","reason":"r"}',
      '{"at":1,"ended":2,"mapping":1,"token":"x","endpoint":"x","target":"","visitor":"","bytesIn":0,"bytesOut":0,"outcome":"done","code":"","reason":""}',
      '{"token":"a.b.c"}',
      '{"report":true,"proxyProtocol":"v2","maxStreams":3,"bytesPerSecond":1000,"idleSeconds":5,"guard":"first","until":1}',
    ],
    words: JSONS,
    check: (input) => {
      const schemas: z.ZodType[] = [Hello, Welcome, Routes, Cut, Report, Renew];
      const frame = decodeFrame(encodeFrame({ type: TYPE.HELLO }, new TextEncoder().encode(input)));
      return (
        schemas.map((schema) => (decoded(() => decodeControl(frame, schema)).ok ? "+" : "-")).join("") +
        (decodeDialOptions(input) === undefined ? "-" : "+")
      );
    },
  },
  session: {
    seeds: [
      ...Array.from(
        { length: Object.keys(TYPE).length },
        (_, type) =>
          `a\u0016\0\u0001\u00ff\u0001\0\u0001x\u0002\0\u0001\u0001\n${String.fromCharCode(type)}\0\u0001\0hi`,
      ),
      "c\u0018\0\u0001\0hi",
    ],
    words: BINARY,
    check: (input) => {
      // Each line is the payload of a frame whose first letters say what it is.
      let sent = 0;
      let held = 0;
      const session = new Session({
        role: input.startsWith("c") ? "caller" : "agent",
        to: { channel: 1, slot: 1 },
        io: { send: (frame) => void (sent += frame.byteLength), maxFrame: () => 65_536, now: () => 0 },
        dial: (stream) => {
          stream.events = {
            data: (bytes) => void (held += bytes.byteLength),
            fin: () => undefined,
            ended: () => undefined,
          };
          stream.accept({ target: "", local: "" });
        },
      });
      const types = Object.values(TYPE);
      let heard = 0;
      for (const line of input.slice(1).split("\n")) {
        const bytes = bytesOf(line);
        heard += bytes.byteLength;
        const type = types[(bytes[0] ?? 0) % types.length] ?? TYPE.DATA;
        session.receive({
          type,
          flags: (bytes[1] ?? 0) & 3,
          lane: 0,
          channel: 1,
          slot: 1,
          stream: (bytes[2] ?? 0) & 7,
          offset: bytes[3] ?? 0,
          payload: bytes.subarray(4),
        });
      }
      assert(held <= heard, "more was delivered than came");
      assert(session.outstanding.received <= 64 * 1024 + 2 * 65_536, "more is held than was granted");
      assert(sent <= 4_000 * (1 + input.length), "far more was said than heard");
      return `${session.over ? "over" : "lives"} ${Math.min(3, session.streams.size)} streams`;
    },
  },
  address: {
    words: ADDRESSES,
    check: (input) => {
      const parsed = parseAddress(input);
      const family = isIP(input);
      // Ours is the stricter: no zones. Whatever it takes, the platform takes for the same family or its mapped form.
      if (!parsed.ok) {
        assert(family === 0 || input.includes("%"), `${JSON.stringify(input)} is an address`);
        return parsed.error.code;
      }
      assert(family !== 0, `${JSON.stringify(input)} is no address`);
      // As browsers read it: ipaddr.js takes ::127.0.0.1 for 127.0.0.1.
      const theirs = ipaddr.process(family === 6 ? new URL(`http://[${input}]/`).hostname.slice(1, -1) : input);
      assert(theirs.toByteArray().join() === parsed.value.bytes.join(), `${input} is read as ${parsed.value.text}`);
      assert(isIP(parsed.value.text) === parsed.value.version, `${parsed.value.text} is written wrongly`);
      return `IPv${parsed.value.version}`;
    },
  },
  cidr: {
    words: ADDRESSES,
    check: (input) => {
      const parsed = parseCidr(input);
      if (!parsed.ok) return parsed.error.code;
      const [network = "", bits] = input.split("/");
      const theirs = ipaddr.process(
        isIP(network) === 6 ? new URL(`http://[${network}]/`).hostname.slice(1, -1) : network,
      );
      assert(bits === undefined || /^\d{1,3}$/.test(bits), `${input} has bits that are no number`);
      for (const probe of ["127.0.0.1", "10.1.2.3", "::1", "2001:db8::7", "255.255.255.255", network]) {
        const address = parseAddress(probe);
        if (!address.ok || address.value.version !== (theirs.kind() === "ipv4" ? 4 : 6)) continue;
        const mapped = network.includes(":") && theirs.kind() === "ipv4" ? 96 : 0;
        const length = bits === undefined ? address.value.bytes.length * 8 : Number(bits) - mapped;
        const slow = bitsOf(address.value.bytes).slice(0, length) === bitsOf(theirs.toByteArray()).slice(0, length);
        assert(cidrContains(parsed.value, address.value) === slow, `${input} and ${probe}`);
      }
      return `IPv${theirs.kind() === "ipv4" ? 4 : 6}/${bits === undefined ? "" : "N"}`;
    },
  },
  endpoint: {
    words: ENDPOINTS,
    check: (input) => {
      const verdict = canonical(parseEndpoint, formatEndpoint, input);
      const parsed = parseEndpoint(input);
      if (parsed.ok && parsed.value.kind !== "port") assert(endpointKeys(parsed.value).length > 0, "it has no key");
      return `${verdict} ${parsed.ok ? parsed.value.kind : ""} ${parseScope(input).ok ? "scope" : ""}`;
    },
  },
  target: {
    words: ENDPOINTS,
    check: (input) => {
      const parsed = parseTarget(input);
      return `${canonical(parseTarget, formatTarget, input)} ${parsed.ok ? parsed.value.kind : ""} ${canonical(parseTargetRule, formatTargetRule, input)}`;
    },
  },
  ports: {
    words: ["80", ",", "-", "65535", "65536", "0", " ", "1-65535", "+", "e"],
    check: (input) => canonical(parsePorts, formatPorts, input),
  },
  "socket-address": { words: ENDPOINTS, check: (input) => canonical(parseSocketAddress, formatSocketAddress, input) },
  authority: {
    words: ENDPOINTS,
    check: (input) => {
      const parsed = parseAuthority(input, "http");
      if (parsed === undefined) return "refused";
      // What a URL parser makes of it must be the very host that is routed by.
      const url = new URL(`http://${input}/`);
      assert(
        url.username === "" && url.password === "" && url.pathname === "/" && url.search === "",
        `${input} holds more than a host`,
      );
      assert(
        JSON.stringify(parsed)
          .toLowerCase()
          .includes(url.hostname.replace(/^\[|\.?\]?$/g, "")),
        `${input} is ${url.hostname} to others`,
      );
      return "taken";
    },
  },
  "http-head": {
    seeds: [
      "\u0001\0\u0003GET\u0002\0\u0001/\u0003\0\u0001a\u0004\0\u0004http\u0005\0\u0006\0\u0001a\0\u0001b",
      "\u0001\0\u0002\0\u00c8\u0002\0\u0002OK",
    ],
    words: [
      ...BINARY,
      "GET",
      "/",
      "host",
      "http",
      "content-length",
      "\u0001\0\u0003GET",
      "\u0002\0\u0001/",
      "\u0003\0\u0001a",
      "\u0004\0\u0004http",
    ],
    check: (input) => {
      const bytes = bytesOf(input);
      const request = decoded(() => decodeRequestHead(bytes));
      const response = decoded(() => decodeResponseHead(bytes));
      if (request.ok) {
        const { method, path, host, headers } = request.value;
        for (const text of [method, path, host, ...headers])
          assert(!/[\r\n\0]/.test(text), "a head that could write a second one");
        encodeRequestHead(request.value);
      }
      if (response.ok)
        for (const text of [response.value.reason, ...response.value.headers])
          assert(!/[\r\n\0]/.test(text), "a head that could write a second one");
      return `${request.ok ? "request" : request.why}; ${response.ok ? "response" : response.why}`;
    },
  },
  "http-records": {
    words: [...BINARY, "\u0004\0\0\0\u0005", "\u0006\0\0\0\0", "\u0007\0\0\0\u0002hi", "\u0009\0\0\0\u0002\u0003è"],
    check: (input) => {
      const bytes = bytesOf(input);
      const whole = readAll([bytes]);
      const single = readAll(Array.from(bytes, (byte) => Uint8Array.of(byte)));
      assert(JSON.stringify(whole) === JSON.stringify(single), "it depends on how the bytes are split");
      return `${whole.why} ${whole.seen.slice(0, 3).join()}`;
    },
  },
  "proxy-protocol": {
    words: [...BINARY, ...ADDRESSES, "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "PROXY UNKNOWN\r\n"],
    check: (input) => {
      const bytes = bytesOf(input);
      const read = readProxyHeader(bytes);
      for (let size = 0; size < bytes.byteLength && size < 300; size += 1) {
        const part = readProxyHeader(bytes.subarray(0, size));
        // Once bad or done, more bytes change nothing; what is not bad in whole was not bad in part.
        if (part.kind === "bad") assert(read.kind === "bad", "more bytes made it good");
        if (part.kind === "done") assert(read.kind === "done" && read.bytes === part.bytes, "more bytes changed it");
      }
      for (const version of ["v1", "v2"] as const) {
        const header = proxyHeader(version, input, { address: "192.0.2.9", port: 443 });
        const back = readProxyHeader(header);
        assert(back.kind === "done" && back.bytes === header.byteLength, "our own header is not read whole");
      }
      return read.kind === "done" ? `done ${read.source === null ? "local" : read.source.address.version}` : read.kind;
    },
  },
  claims: {
    seeds: [
      '{"iss":"https://e.example","aud":"sallyport:agent","sub":"agent:lab:1","jti":"j","iat":1,"exp":2,"site":"lab","targets":["10.0.0.0/8:1-1024"]}',
      '{"iss":"https://e.example","aud":"sallyport:visitor","sub":"visitor:1","jti":"j","iat":1,"exp":2,"endpoints":["lab/ssh"],"from":["10.0.0.0/8"],"caps":{"streams":1}}',
      '{"iss":"https://e.example","aud":"sallyport:gateway","sub":"gateway:1","jti":"j","iat":1,"exp":2,"endpoints":"*","bind":"*"}',
      '{"iss":"https://e.example","aud":"sallyport:admin","sub":"admin:1","jti":"j","iat":1,"exp":2,"readOnly":false}',
    ],
    words: [...JSONS, ...ENDPOINTS],
    check: (input) => {
      let body: unknown;
      try {
        body = JSON.parse(input);
      } catch {
        return "no JSON";
      }
      return TOKEN_KINDS.map((kind) => (parseClaims(kind, body).ok ? "+" : "-")).join("");
    },
  },
  token: {
    words: [...JSONS, ".", "eyJhbGciOiJub25lIn0", "eyJhbGciOiJFZERTQSJ9", "AAAA", "=", "+", "/", "_", "-"],
    check: async (input) => {
      const trust = {
        keys: [
          {
            kid: "k",
            kty: "OKP",
            crv: "Ed25519",
            x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
            alg: "EdDSA",
            use: "sig",
          } as const,
        ],
        issuers: ["https://edge.example"],
      };
      const kinds = await Promise.all(TOKEN_KINDS.map((kind) => verifyToken(input, kind, trust, 0)));
      assert(
        kinds.every(({ ok }) => !ok),
        "a token that nobody signed",
      );
      return kinds
        .map((each) => (each.ok ? "" : each.reason))
        .join()
        .replace(/".*?"/g, "")
        .slice(0, 60);
    },
  },
  "agent-config": {
    seeds: ['token-file = "t"\nallow = ["10.0.0.0/8"]\ninsecure = true\nlog = "json"\nlog-level = "info"\n'],
    words: TOMLS,
    check: (input) => problems(() => parseConfig(input, "agent.toml")),
  },
  "rules-file": {
    seeds: ['[[mapping]]\nendpoint = "8080/tcp"\nsite = "lab"\ntarget = "10.0.0.5:80"\nallow = ["192.0.2.0/24"]\n'],
    words: [...TOMLS, ...ENDPOINTS],
    check: (input) =>
      ["rules.toml", "rules.json", "rules.csv"].map((file) => problems(() => rulesFrom(input, file))).join(),
  },
  text: {
    words: ["\u202e", "\u001b[2J", "\r\n", "\ud800", "\u{e0001}", "é", "👩‍👩‍👧", "\u3164"],
    check: (input) => {
      const shown = clean(input, 50);
      assert(isPlainText(shown) && shown.length <= 50 && shown.isWellFormed(), `it shows as ${JSON.stringify(shown)}`);
      return shown === input ? "as it is" : "changed";
    },
  },
};

function bitsOf(bytes: readonly number[]): string {
  return bytes.map((byte) => byte.toString(2).padStart(8, "0")).join("");
}

/** A problem with a fix is an answer; any other error is a defect. */
function problems(read: () => unknown): string {
  try {
    read();
    return "taken";
  } catch (error) {
    if (error instanceof Problem) return error.code;
    throw error;
  }
}

function readAll(pieces: readonly Uint8Array[]): { seen: string[]; why: string } {
  const seen: string[] = [];
  let body = 0;
  const reader = new RecordReader({
    record: (kind, payload) => seen.push(`${kind}:${payload.byteLength}`),
    body: (bytes) => void (body += bytes.byteLength),
  });
  const result = decoded(() => pieces.forEach((piece) => reader.push(piece)));
  assert(body <= pieces.length * 65_536 + RECORD_HEADER, "more body than bytes");
  return { seen: [...seen, `body ${body > 0 ? "N" : "0"}`], why: result.ok ? "taken" : result.why };
}
