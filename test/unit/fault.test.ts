import { expect, test } from "vitest";
import {
  DialError,
  faultOfClose,
  faultOfError,
  faultOfStatus,
  faultOfUpgrade,
  logLoss,
  retryableFault,
  logFields,
} from "../../link/fault.ts";

test.each([
  [401, false, "token"],
  [403, false, "forbidden"],
  [426, false, "incompatible"],
  [400, false, "incompatible"],
  [429, true, "busy"],
  [500, true, "busy"],
  [502, true, "busy"],
  [503, true, "busy"],
  [404, true, "not-an-edge"],
  [200, true, "not-an-edge"],
  [302, true, "not-an-edge"],
  [407, true, "not-an-edge"],
])("an upgrade answered %d: retryable %s, %s", (status, retryable, code) => {
  expect(faultOfStatus(status, "", undefined)).toMatchObject({ retryable, code });
});

test("a fault that ends the program says what to do", () => {
  for (const status of [400, 401, 403, 426]) expect(faultOfStatus(status, "", undefined)).toHaveProperty("fix");
  expect(faultOfStatus(401, "This token is revoked.", undefined)).toEqual({
    retryable: false,
    code: "token",
    reason: "the edge refused the token: This token is revoked.",
    fix: "issue a new one: sallyport token agent SITE",
  });
});

test.each([
  ["7", 7_000],
  ["0.5", 500],
  ["86400", 3_600_000],
  [undefined, 0],
  ["0", 0],
  ["-5", 0],
  ["soon", 0],
  ["Infinity", 0],
])("Retry-After: %s is %d ms", (header, afterMs) => {
  expect(faultOfStatus(503, "", header)).toMatchObject({ afterMs });
});

test("who answers something else is not asked again within a minute: a captive portal does not mend in seconds", () => {
  for (const status of [200, 302, 404, 407])
    expect(faultOfStatus(status, "", undefined)).toMatchObject({ afterMs: 60_000 });
});

test.each([
  [4400, true, "protocol"],
  [4401, false, "token"],
  [4403, false, "forbidden"],
  [4408, true, "lost"],
  [4409, true, "lost"],
  [4410, true, "superseded"],
  [4413, true, "protocol"],
  [4426, false, "incompatible"],
  [4429, true, "busy"],
  [4503, true, "draining"],
  [1011, true, "failed"],
  [1000, true, "lost"],
  [1001, true, "lost"],
  [1006, true, "lost"],
  [1012, true, "lost"],
  [4999, true, "lost"],
])("a lane closed with %d: retryable %s, %s", (code, retryable, word) => {
  expect(faultOfClose(code, "why")).toMatchObject({ retryable, code: word, reason: expect.stringContaining("why") });
});

test.each([
  [4400, "warn"],
  [4413, "warn"],
  [4429, "warn"],
  [1011, "warn"],
  [1006, "debug"],
  [1012, "debug"],
  [4503, "debug"],
  [4401, "debug"],
])("one lane of several closed with %d is told as %s", (code, level) => {
  const lines: unknown[] = [];
  logLoss((...line) => void lines.push(line), faultOfClose(code, "why"), { lane: 1 });
  expect(lines).toEqual([[level, "a lane was lost", { lane: 1, reason: expect.stringContaining("why") }]]);
});

test("another process of this identity is left alone for five minutes", () => {
  expect(faultOfClose(4410, "")).toMatchObject({ afterMs: 300_000 });
});

test("a connection that broke without a word is told with its code", () => {
  expect(faultOfClose(1006, "")).toMatchObject({ reason: "the connection to the edge broke (1006)" });
});

test.each([
  ["ENOTFOUND", "unresolved", 0],
  ["EAI_AGAIN", "unresolved", 0],
  ["ECONNREFUSED", "refused", 0],
  ["CERT_HAS_EXPIRED", "tls", 60_000],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "tls", 60_000],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", "tls", 60_000],
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "tls", 60_000],
  ["EHOSTUNREACH", "unreachable", 0],
  ["ECONNRESET", "unreachable", 0],
])("an error %s is %s", (code, word, afterMs) => {
  expect(faultOfError(Object.assign(new Error("as Node said it"), { code }))).toMatchObject({
    retryable: true,
    code: word,
    afterMs,
  });
});

test.each([
  ["EPROTO", "tls"],
  ["ERR_SSL_WRONG_VERSION_NUMBER", "tls"],
])("an error %s of a handshake is not called one of a certificate", (code, word) => {
  const fault = faultOfError(Object.assign(new Error("as Node said it"), { code }));
  expect(fault).toMatchObject({ code: word, reason: expect.not.stringContaining("certificate") });
});

test("an error that has only a code says that: several addresses were tried", () => {
  const error = Object.assign(new AggregateError([]), { code: "ETIMEDOUT" });
  expect(faultOfError(error)).toMatchObject({ code: "unreachable", reason: "ETIMEDOUT" });
});

test("what the dialler says of a fault is kept, and a log line has its fix", () => {
  const fault = retryableFault("proxy-login", "the proxy wants a login", 60_000, "give it one");
  expect(faultOfError(new DialError(fault))).toBe(fault);
  expect(logFields(fault)).toEqual({ reason: "the proxy wants a login", fix: "give it one" });
  expect(logFields(retryableFault("lost", "gone"))).toEqual({ reason: "gone" });
});

const EDGE_SAYS =
  '{"type":"about:blank","title":"Lane refused","status":426,"code":"not-a-websocket","detail":"Lanes …"}';

test.each([
  [426, EDGE_SAYS, true, "no-upgrade"],
  [200, '{"kind":"client","expires":1,"sites":[]}', true, "no-upgrade"],
  [200, '{"kind":"gateway","expires":1,"sites":[{"site":"lab","seen', true, "no-upgrade"],
  [426, '{"code":"other","detail":"Something else."}', false, "incompatible"],
  [400, '{"code":"bad-subprotocol","detail":"Offer the sub-protocol."}', false, "incompatible"],
  [200, "<html>welcome to the hotel</html>", true, "not-an-edge"],
  [200, "", true, "not-an-edge"],
  [401, '{"code":"token","detail":"This token is revoked."}', false, "token"],
])("an upgrade answered %d with %s: retryable %s, %s", (status, page, retryable, code) => {
  expect(faultOfUpgrade(status, page, undefined)).toMatchObject({ retryable, code });
});

test("a refusal of the edge is quoted, a stranger's page is not", () => {
  const edge = faultOfUpgrade(401, '{"detail":"This token is revoked."}', undefined);
  expect(edge.reason).toContain("This token is revoked.");
  expect(faultOfUpgrade(503, "<html>secret</html>", undefined).reason).not.toContain("secret");
  expect(faultOfUpgrade(503, '{"detail":7}', "7")).toMatchObject({ afterMs: 7_000 });
});

test("an error without a code says what it said", () => {
  expect(faultOfError(new Error("odd"))).toMatchObject({ code: "unreachable", reason: "odd" });
});
