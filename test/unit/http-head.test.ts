import fc from "fast-check";
import { expect, test } from "vitest";
import { SessionError } from "../../shared/wire/errors.ts";
import { HEADROOM } from "../../shared/wire/frame.ts";
import { parseAuthority } from "../../shared/address/http-authority.ts";
import { forwardedHeaders } from "../../shared/http/forwarded.ts";
import {
  byteString,
  decodeRequestHead,
  decodeResponseHead,
  encodeRequestHead,
  encodeResponseHead,
  utf8Bytes,
  utf8Text,
  type RequestHead,
} from "../../shared/http/head.ts";
import { requestHeaders, responseHeaders } from "../../shared/http/headers.ts";
import { RECORD_HEADER } from "../../shared/http/record.ts";
import { rewriteCookie, rewriteLocation } from "../../shared/http/rewrite.ts";

const payloadOf = (chunk: Uint8Array): Uint8Array => chunk.subarray(HEADROOM + RECORD_HEADER);
const bytes = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));

const HEAD: RequestHead = {
  method: "PROPFIND",
  path: "/a?b=\xc3\xa9",
  host: "shop.example.com:8443",
  scheme: "https",
  headers: ["accept", "*/*", "x-empty", "", "cookie", "a=1"],
  upgrade: false,
  framing: "open",
};

test("a request head is, byte for byte, what the protocol says", () => {
  const head: RequestHead = {
    method: "GET",
    path: "/",
    host: "a",
    scheme: "http",
    headers: ["x", "y"],
    upgrade: false,
    framing: "none",
  };
  expect(Buffer.from(encodeRequestHead(head).subarray(HEADROOM)).toString("hex")).toBe(
    ["01 0000001e", "01 0003 474554", "02 0001 2f", "03 0001 61", "04 0004 68747470", "05 0006 0001 78 0001 79"]
      .join("")
      .replaceAll(" ", ""),
  );
});

test("heads come out as they went in", () => {
  expect(decodeRequestHead(payloadOf(encodeRequestHead(HEAD)))).toEqual(HEAD);
  const upgrade: RequestHead = { ...HEAD, upgrade: true, framing: "none", headers: [] };
  expect(decodeRequestHead(payloadOf(encodeRequestHead(upgrade)))).toEqual(upgrade);
  const response = { status: 599, reason: "As It Is", headers: ["set-cookie", "a", "set-cookie", "b"] };
  expect(decodeResponseHead(payloadOf(encodeResponseHead(response)))).toEqual(response);
});

test.each<[string, Partial<RequestHead>]>([
  ["a space in the method", { method: "GET /x HTTP/1.1\r\nA:" }],
  ["no method", { method: "" }],
  ["a relative path", { path: "x" }],
  ["a space in the path", { path: "/a b" }],
  ["a line end in the path", { path: "/a\r\nX: y" }],
  ["a user in the host", { host: "a@b" }],
  ["a line end in the host", { host: "a\r\n" }],
  ["an upper-case name", { headers: ["Accept", "x"] }],
  ["a name with a colon", { headers: ["a:b", "x"] }],
  ["an empty name", { headers: ["", "x"] }],
  ["a line end in a value", { headers: ["a", "b\r\nc: d"] }],
  ["a NUL in a value", { headers: ["a", "b\0"] }],
  ["more headers than there may be", { headers: Array.from({ length: 402 }, () => "a") }],
])("an agent takes no head with %s", (_what, part) => {
  expect(() => decodeRequestHead(payloadOf(encodeRequestHead({ ...HEAD, ...part })))).toThrow(SessionError);
});

test("any bytes are a head or a SessionError", () => {
  const decodes = (decode: (payload: Uint8Array) => unknown) => (payload: Uint8Array) => {
    try {
      decode(payload);
    } catch (error) {
      expect(error).toBeInstanceOf(SessionError);
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), decodes(decodeRequestHead)));
  fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), decodes(decodeResponseHead)));
  const whole = payloadOf(encodeRequestHead(HEAD));
  for (let length = 0; length < whole.length; length += 1) decodes(decodeRequestHead)(whole.slice(0, length));
});

test("text and the bytes it is written in are told apart", () => {
  for (const text of ["plain", "é€😀", ""]) expect(utf8Text(utf8Bytes(text))).toBe(text);
  expect(utf8Bytes("é")).toBe("\xc3\xa9");
  expect(byteString(bytes("x".repeat(20_000)))).toBe("x".repeat(20_000));
});

test.each([
  ["shop.example.com", "shop.example.com", 443],
  ["SHOP.example.com.", "shop.example.com", 443],
  ["shop.example.com:8443", "shop.example.com:8443", 8443],
  ["10.0.0.1:80", "10.0.0.1:80", 80],
  ["[FD00::0:5]:80", "[fd00::5]:80", 80],
])("%s is asked for as %s", (text, canonical, port) => {
  expect(parseAuthority(text, "https")).toMatchObject({ text: canonical, port });
});

test.each([
  "",
  "a b",
  "a,b",
  "a@b",
  "a/b",
  "a?b",
  "a#b",
  "a\\b",
  "a%2eb",
  "a:b",
  "a:",
  "a:1:2",
  "a:99999",
  "-a",
  "a..b",
  "[::1",
  "::1",
  "[::1%25eth0]",
  "127.1",
  "0x7f.1",
  "a\r\n",
  "é",
  "*.a",
  ".a",
])("%j is no host", (text) => {
  expect(parseAuthority(text, "http")).toBeUndefined();
});

test("of a request's headers, those of the connection, of the edge and of the framing stay behind", () => {
  const received: [string, string][] = [
    ["accept", "*/*"],
    ["host", "x"],
    ["connection", "close, X-Hop"],
    ["x-hop", "1"],
    ["te", "trailers"],
    ["transfer-encoding", "chunked"],
    ["upgrade", "h2c"],
    ["x-forwarded-for", "6.6.6.6"],
    ["x_forwarded_for", "6.6.6.6"],
    ["forwarded", "for=6.6.6.6"],
    ["cf-ray", "1"],
    ["cf_connecting_ip", "6.6.6.6"],
    ["x-sallyport-token", "1"],
    ["content-length", "3"],
    ["x-fine", "1"],
    ["__proto__", "1"],
  ];
  const kept = requestHeaders(received, "close, X-Hop, content-length", {
    trustCf: false,
    upgrade: false,
    expects: false,
    fromProxy: false,
  });
  expect(kept).toEqual(["accept", "*/*", "content-length", "3", "x-fine", "1", "__proto__", "1"]);
  const onCloudflare = requestHeaders(
    [
      ["cf-ray", "1"],
      ["cf_ray", "2"],
    ],
    null,
    { trustCf: true, upgrade: false, expects: false, fromProxy: false },
  );
  expect(onCloudflare).toEqual(["cf-ray", "1"]);
});

test("of a response's headers, those of the connection stay behind; doubled ones stay two", () => {
  expect(
    responseHeaders(
      [
        "Set-Cookie",
        "a",
        "Set-Cookie",
        "b",
        "Connection",
        "X-Hop",
        "X-Hop",
        "1",
        "Keep-Alive",
        "9",
        "Transfer-Encoding",
        "chunked",
        "Content-Length",
        "2",
      ],
      false,
    ),
  ).toEqual(["set-cookie", "a", "set-cookie", "b", "content-length", "2"]);
  expect(
    responseHeaders(
      ["Sec-WebSocket-Accept", "x", "Sec-WebSocket-Extensions", "y", "Sec-WebSocket-Protocol", "chat"],
      true,
    ),
  ).toEqual(["sec-websocket-protocol", "chat"]);
});

test("who asked is told in both spellings, IPv6 quoted and bracketed", () => {
  const told = forwardedHeaders({
    visitor: "2001:db8::1",
    scheme: "https",
    host: "shop.example.com",
    port: 443,
    via: ["10.0.0.1"],
  });
  expect(told).toEqual([
    "x-forwarded-for",
    "2001:db8::1, 10.0.0.1",
    "x-forwarded-proto",
    "https",
    "x-forwarded-host",
    "shop.example.com",
    "x-forwarded-port",
    "443",
    "x-real-ip",
    "2001:db8::1",
    "forwarded",
    'for="[2001:db8::1]";host=shop.example.com;proto=https, for=10.0.0.1',
  ]);
});

const HOW = {
  target: { scheme: "http", host: "nas.lan:5000" },
  visitor: { scheme: "https", host: "nas.example.com" },
  stripped: "/nas",
};

test.each([
  ["http://nas.lan:5000/a?b#c", "https://nas.example.com/nas/a?b#c"],
  ["http://NAS.lan:5000", "https://nas.example.com/nas/"],
  ["//nas.lan:5000/a", "//nas.example.com/nas/a"],
  ["/a", "/nas/a"],
  ["a/b", "a/b"],
  ["?x", "?x"],
  ["http://nas.lan/a", "http://nas.lan/a"],
  ["http://nas.lan:5000@evil.example/", "http://nas.lan:5000@evil.example/"],
  ["https://other.example/", "https://other.example/"],
])("the redirect %s becomes %s", (location, expected) => {
  expect(rewriteLocation(location, HOW)).toBe(expected);
});

test.each([
  ["a=1", "a=1"],
  ["a=1; Path=/; HttpOnly", "a=1; Path=/nas/; HttpOnly"],
  ["a=1; path=/x", "a=1; Path=/nas/x"],
  ["a=1; Domain=nas.lan; Secure", "a=1; Secure"],
  ["a=1; Domain=.nas.lan", "a=1"],
  ["a=1; Domain=other.lan", "a=1; Domain=other.lan"],
])("the cookie %s becomes %s", (cookie, expected) => {
  expect(rewriteCookie(cookie, HOW)).toBe(expected);
});
