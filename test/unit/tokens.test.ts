import { createHmac, generateKeyPairSync, sign as signBytes, type KeyObject } from "node:crypto";
import { CompactEncrypt, type JWK } from "jose";
import { expect, test } from "vitest";
import type { PublicKey, Trust } from "../../edge/registry/types.ts";
import { bearerOf, MAX_TOKEN, signToken, verifyToken } from "../../edge/tokens.ts";
import { audienceOf, parseClaims, TOKEN_KINDS, typeOf, type Claims, type TokenKind } from "../../shared/rule/claims.ts";
import { good } from "./parsed.ts";

const NOW = Date.UTC(2026, 10, 22);
const DAY = 24 * 3600;
const URL = "https://edge.example";

const SCOPES: Record<TokenKind, object> = {
  agent: { site: "lab", targets: ["0.0.0.0/0"] },
  visitor: { endpoints: ["8080/tcp"] },
  gateway: { endpoints: "*", bind: "*" },
  admin: { readOnly: false },
};

test.each(TOKEN_KINDS)("a token of kind %s is good where that kind is asked for, and nowhere else", async (kind) => {
  const { key, trust } = authority();
  const token = await signToken(kind, claims(kind), key);
  for (const asked of TOKEN_KINDS) {
    const verified = await verifyToken(token, asked, trust, NOW);
    expect({ asked, ok: verified.ok }).toEqual({ asked, ok: asked === kind });
  }
});

test("a token of a former URL and of a former key is good, of any other not", async () => {
  const { key, trust } = authority();
  const { key: newer, trust: other } = authority();
  const token = await signToken("admin", claims("admin"), key);
  const rotated = { keys: [...other.keys, ...trust.keys], issuers: ["https://new.example", URL] };
  expect(await verifyToken(token, "admin", rotated, NOW)).toMatchObject({ ok: true });
  expect(await verifyToken(await signToken("admin", claims("admin"), newer), "admin", rotated, NOW)).toMatchObject({
    ok: true,
  });
  expect(await verifyToken(token, "admin", { ...rotated, issuers: ["https://new.example"] }, NOW)).toMatchObject({
    ok: false,
  });
  expect(await verifyToken(token, "admin", { ...rotated, keys: other.keys }, NOW)).toMatchObject({ ok: false });
  expect(await verifyToken(token, "admin", { keys: trust.keys, issuers: [] }, NOW)).toMatchObject({ ok: false });
});

test.each<[TokenKind, number, boolean, boolean]>([
  // kind, seconds from its end, good, good for renewal
  ["agent", -1, true, true],
  ["agent", 1, false, true],
  ["gateway", 29 * DAY, false, true],
  ["agent", 31 * DAY, false, false],
  ["admin", -1, true, true],
  ["admin", 1, false, false],
  ["visitor", 1, false, false],
])("%s, %i s after its end: good %s, for renewal %s", async (kind, seconds, isGood, renews) => {
  const { key, trust } = authority();
  const token = await signToken(kind, claims(kind, { iat: NOW / 1000 - 100 * DAY, exp: NOW / 1000 - seconds }), key);
  expect((await verifyToken(token, kind, trust, NOW)).ok).toBe(isGood);
  expect((await verifyToken(token, kind, trust, NOW, true)).ok).toBe(renews);
});

test("a clock may be a minute off, not more", async () => {
  const { key, trust } = authority();
  const issued = async (ahead: number) => signToken("admin", claims("admin", { iat: NOW / 1000 + ahead }), key);
  expect(await verifyToken(await issued(50), "admin", trust, NOW)).toMatchObject({ ok: true });
  expect(await verifyToken(await issued(70), "admin", trust, NOW)).toMatchObject({ ok: false, code: "token-early" });
});

test("a token of before the clock was set back is not early, one of later than any that was issued is", async () => {
  const { key, trust } = authority();
  const latest = NOW + 2 * DAY * 1000;
  const issued = async (at: number) => signToken("agent", claims("agent", { iat: at / 1000 }), key);
  for (const at of [latest, latest - 1_000, NOW + 61_000])
    expect(await verifyToken(await issued(at), "agent", { ...trust, latest }, NOW)).toMatchObject({ ok: true });
  const later = await issued(latest + 1_000);
  expect(await verifyToken(later, "agent", { ...trust, latest }, NOW)).toMatchObject({ code: "token-early" });
});

test("headers that lead to another algorithm or key are refused", async () => {
  const { kid, x, privateKey, pem, trust } = authority();
  const rogue = generateKeyPairSync("ed25519");
  const header = { alg: "EdDSA", typ: typeOf("admin"), kid };
  const payload = claims("admin");
  const signed = (changes: object, key: KeyObject | Uint8Array = privateKey) =>
    sign({ ...header, ...changes }, payload, key);
  const text = new TextEncoder();
  const tokens: [string, string][] = [
    ...["none", "None", "NONE", "nOnE", undefined, ["EdDSA"], 0].map((alg): [string, string] => [
      `unsigned, alg ${String(alg)}`,
      unsigned({ ...header, alg }, payload),
    ]),
    ...["none", "None", "HS256", "ES256", "RS256", "eddsa", "Ed448", undefined, ["EdDSA"], 0].map(
      (alg): [string, string] => [`signed, alg ${String(alg)}`, signed({ alg })],
    ),
    ["HS256 with the public key as PEM", signed({ alg: "HS256" }, text.encode(String(pem)))],
    ["HS256 with the public key as PEM without line end", signed({ alg: "HS256" }, text.encode(String(pem).trim()))],
    ["HS256 with the public key as JSON", signed({ alg: "HS256" }, text.encode(JSON.stringify(trust.keys[0])))],
    ["HS256 with the raw public key", signed({ alg: "HS256" }, Buffer.from(x, "base64url"))],
    ["a rogue key under our kid", signed({}, rogue.privateKey)],
    ["its own key in the header", signed({ jwk: rogue.publicKey.export({ format: "jwk" }) }, rogue.privateKey)],
    ["a key URL in the header", signed({ jku: "https://evil.example/jwks.json" }, rogue.privateKey)],
    ["a certificate in the header", signed({ x5c: ["AAAA"], x5u: "https://evil.example/" }, rogue.privateKey)],
    ["an unknown critical field", signed({ crit: ["x"], x: 1 })],
    ["critical fields that are none", signed({ crit: [] })],
    ["an unencoded payload", signed({ b64: false, crit: ["b64"] })],
    ...[
      "",
      "../../dev/null",
      "' OR 1=1 --",
      "__proto__",
      "constructor",
      "\0",
      "x".repeat(5_000),
      [kid],
      0,
      null,
      undefined,
    ].map((each): [string, string] => [`kid ${JSON.stringify(each)?.slice(0, 20)}`, signed({ kid: each })]),
    ...["JWT", "at+jwt", "sallyport-agent+jwt", "sallyport-admin", "", undefined].map((typ): [string, string] => [
      `typ ${String(typ)}`,
      signed({ typ }),
    ]),
  ];
  for (const [what, token] of tokens) {
    expect({ what, ...(await verifyToken(token, "admin", trust, NOW)) }).toMatchObject({
      what,
      ok: false,
      code: "token-invalid",
    });
  }
  // The same maker makes good ones.
  expect(await verifyToken(signed({}), "admin", trust, NOW)).toMatchObject({ ok: true });
});

test("claims that say too much, too little or otherwise are refused", async () => {
  const { kid, privateKey, trust } = authority();
  const valid = claims("admin");
  const changes: object[] = [
    ...["iss", "sub", "aud", "iat", "exp", "jti", "readOnly"].map((name) => ({ [name]: undefined })),
    ...[0, -1, "9999999999", null, [9_999_999_999], 2 ** 53, NOW, Infinity].map((exp) => ({ exp })),
    ...[
      "Sallyport:admin",
      "sallyport:admin ",
      "sallyport:admins",
      "sallyport:agent",
      ["sallyport:admin", "sallyport:agent"],
    ].map((aud) => ({ aud })),
    ...[`${URL}/`, "https://EDGE.example", "https://edge.example.evil", "http://edge.example"].map((iss) => ({ iss })),
    { sub: "" },
    { nbf: 1 },
    { admin: true },
    { readOnly: "false" },
  ];
  for (const change of changes) {
    const token = sign({ alg: "EdDSA", typ: typeOf("admin"), kid }, { ...valid, ...change }, privateKey);
    expect({ change, ...(await verifyToken(token, "admin", trust, NOW)) }).toMatchObject({ change, ok: false });
  }
});

test("what is no compact token is refused, whatever it is", async () => {
  const { key, pem, trust } = authority();
  const token = await signToken("admin", claims("admin"), key);
  const [header = "", payload = "", signature = ""] = token.split(".");
  const forms: (string | null)[] = [
    null,
    "",
    ".",
    "..",
    "...",
    header,
    `${header}.${payload}`,
    `${header}.${payload}.`,
    `${header}.${payload}.${signature}.x`,
    `.${payload}.${signature}`,
    ` ${token}`,
    `${token}\n`,
    `${header}=.${payload}.${signature}`,
    token.replaceAll(".", ". "),
    JSON.stringify({ protected: header, payload, signature }),
    `${header}.${payload}.${signature.slice(0, -1)}`,
    `${header}.${payload}.${"A".repeat(86)}`,
    `${header}.${Buffer.from("[".repeat(10_000)).toString("base64url")}.${signature}`,
    "x".repeat(MAX_TOKEN + 1),
    `${"x".repeat(1024 * 1024)}.${payload}.${signature}`,
    await new CompactEncrypt(new TextEncoder().encode(token))
      .setProtectedHeader({ alg: "dir", enc: "A256GCM" })
      .encrypt(new Uint8Array(32)),
    String(pem),
  ];
  for (const form of forms)
    expect({ form, ok: (await verifyToken(form, "admin", trust, NOW)).ok }).toEqual({ form, ok: false });
});

test.each<[string | undefined, string | null]>([
  ["Bearer a.b.c", "a.b.c"],
  ["bearer a.b.c", "a.b.c"],
  ["Bearer  a.b.c", "a.b.c"],
  [undefined, null],
  ["", null],
  ["a.b.c", null],
  ["Basic a.b.c", null],
  ["Bearer", null],
  ["Bearer a.b", null],
  ["Bearer a.b.c.d", null],
  ["Bearer a.b.c, Bearer d.e.f", null],
  ["Bearer a.b.c d", null],
  ["Token Bearer a.b.c", null],
])("authorization %j carries %j", (value, token) => {
  const headers = new Headers(value === undefined ? {} : { authorization: value });
  expect(bearerOf(new Request("https://edge.example/", { headers }))).toBe(token);
});

test("a token in the URL, in a cookie or in another header is none", () => {
  const headers = {
    cookie: "token=a.b.c",
    "x-authorization": "Bearer a.b.c",
    "sec-websocket-protocol": "bearer.a.b.c",
  };
  expect(bearerOf(new Request("https://edge.example/?token=a.b.c&authorization=Bearer+a.b.c", { headers }))).toBeNull();
});

/** A key of one's own and who trusts it. */
function authority() {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const kid = crypto.randomUUID();
  const { x = "" } = publicKey.export({ format: "jwk" });
  const shown: PublicKey = { kid, kty: "OKP", crv: "Ed25519", x, alg: "EdDSA", use: "sig" };
  const key: JWK & { kid: string } = { ...(privateKey.export({ format: "jwk" }) as JWK), kid };
  const trust: Trust = { keys: [shown], issuers: [URL] };
  return { key, kid, x, privateKey, pem: publicKey.export({ format: "pem", type: "spki" }), trust };
}

function claims(kind: TokenKind, changes: object = {}): Claims {
  const iat = NOW / 1000 - 60;
  const common = {
    iss: URL,
    sub: `${kind}:1`,
    aud: audienceOf(kind),
    iat,
    exp: iat + 90 * DAY,
    jti: "0123456789abcdef",
  };
  return good(parseClaims(kind, { ...common, ...SCOPES[kind], ...changes }));
}

/** A token by hand, as no library would make it. A secret signs with HMAC, whatever the header says. */
function sign(header: object, payload: object, key: KeyObject | Uint8Array): string {
  const input = unsigned(header, payload).slice(0, -1);
  const bytes =
    key instanceof Uint8Array
      ? createHmac("sha256", key).update(input).digest()
      : signBytes(null, Buffer.from(input), key);
  return `${input}.${bytes.toString("base64url")}`;
}

function unsigned(header: object, payload: object): string {
  const parts = [header, payload].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"));
  return `${parts.join(".")}.`;
}
