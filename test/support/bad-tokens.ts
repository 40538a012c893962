import { createHmac, generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import type { JWK } from "jose";

type Json = Readonly<Record<string, unknown>>;

const OWN = generateKeyPairSync("ed25519");
const RSA = generateKeyPairSync("rsa", { modulusLength: 2048 });
const EC = generateKeyPairSync("ec", { namedCurve: "P-256" });

function part(value: unknown): string {
  return Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
}

function signed(header: unknown, payload: unknown, with_: (input: Buffer) => Buffer): string {
  const input = `${part(header)}.${part(payload)}`;
  return `${input}.${with_(Buffer.from(input)).toString("base64url")}`;
}

const BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** The same token with other last characters: of a signature's 64 bytes, its last one carries two bits, and four that decoders ignore. */
export function otherSpellings(good: string): string[] {
  const last = BASE64URL.indexOf(good.slice(-1));
  return Array.from({ length: 15 }, (_, index) => `${good.slice(0, -1)}${BASE64URL[(last + index + 1) % 64] ?? ""}`);
}

/** Tokens that no edge may take, by what is wrong with them: notes on tunnels' advisories and RFC 8725 made into a table. */
export function badTokens(good: string, published: JWK & { kid: string }): Readonly<Record<string, string>> {
  const [header = "", payload = "", signature = ""] = good.split(".");
  const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as Json;
  const head = JSON.parse(Buffer.from(header, "base64url").toString()) as Json;
  const own = (input: Buffer): Buffer => sign(null, input, OWN.privateKey);
  const rsa = (input: Buffer): Buffer => sign("sha256", input, RSA.privateKey);
  const hmac =
    (key: string | Buffer) =>
    (input: Buffer): Buffer =>
      createHmac("sha256", key).update(input).digest();
  const x = Buffer.from(String(published.x), "base64url");
  const spki = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), x]);
  const pem = `-----BEGIN PUBLIC KEY-----\n${spki.toString("base64")}\n-----END PUBLIC KEY-----`;
  const jwk = (key: KeyObject): object => key.export({ format: "jwk" });
  const payloadOf = (changes: Json): Json => ({ ...claims, ...changes });
  const seconds = Math.floor(Date.now() / 1000);

  const headers: Record<string, [header: unknown, with_: (input: Buffer) => Buffer]> = {
    "signed by a stranger": [head, own],
    "a key of its own in the header": [{ ...head, jwk: jwk(OWN.publicKey) }, own],
    "a key set somewhere else": [{ ...head, jku: "https://evil.example/jwks.json" }, own],
    "a certificate somewhere else": [{ ...head, x5u: "https://evil.example/c.pem" }, own],
    "a certificate in the header": [{ ...head, x5c: [spki.toString("base64")] }, own],
    "HS256 with the public key's bytes": [{ ...head, alg: "HS256" }, hmac(x)],
    "HS256 with the public key in DER": [{ ...head, alg: "HS256" }, hmac(spki)],
    "HS256 with the public key in PEM": [{ ...head, alg: "HS256" }, hmac(pem)],
    "HS256 with the public key in PEM and a line end": [{ ...head, alg: "HS256" }, hmac(`${pem}\n`)],
    "HS256 with the public key as JSON": [{ ...head, alg: "HS256" }, hmac(JSON.stringify(published))],
    "HS256 with an empty key": [{ ...head, alg: "HS256" }, hmac("")],
    RS256: [{ ...head, alg: "RS256" }, rsa],
    PS256: [{ ...head, alg: "PS256" }, rsa],
    ES256: [
      { ...head, alg: "ES256" },
      (input) => sign("sha256", input, { key: EC.privateKey, dsaEncoding: "ieee-p1363" }),
    ],
    "ES256 of nothing": [{ ...head, alg: "ES256" }, () => Buffer.alloc(64)],
    "EdDSA of nothing": [head, () => Buffer.alloc(64)],
    "alg a list": [{ ...head, alg: ["EdDSA"] }, own],
    "alg a number": [{ ...head, alg: 0 }, own],
    "alg missing": [{ ...head, alg: undefined }, own],
    "alg in lower case": [{ ...head, alg: "eddsa" }, own],
    "a critical extension nobody knows": [{ ...head, crit: ["exp"], exp: 1 }, own],
    "a critical extension twice": [{ ...head, crit: ["b64", "b64"], b64: true }, own],
    "an unencoded payload": [{ ...head, crit: ["b64"], b64: false }, own],
    compressed: [{ ...head, zip: "DEF" }, own],
    "kid of a file": [{ ...head, kid: "../../dev/null" }, own],
    "kid of SQL": [{ ...head, kid: "' OR 1=1 --" }, own],
    "kid of a prototype": [{ ...head, kid: "__proto__" }, own],
    "kid with a NUL": [{ ...head, kid: `${published.kid}\0` }, own],
    "kid of 5 KB": [{ ...head, kid: "k".repeat(5_000) }, own],
    "kid a list": [{ ...head, kid: [published.kid] }, own],
    "kid missing": [{ ...head, kid: undefined }, own],
    "typ missing": [{ ...head, typ: undefined }, own],
    "typ JWT": [{ ...head, typ: "JWT" }, own],
    "typ at+jwt": [{ ...head, typ: "at+jwt" }, own],
    "a header that is no object": ["[]", own],
    "a header that is not JSON": ["{", own],
  };
  const payloads: Record<string, unknown> = {
    "exp missing": payloadOf({ exp: undefined }),
    "exp 0": payloadOf({ exp: 0 }),
    "exp -1": payloadOf({ exp: -1 }),
    "exp a text": payloadOf({ exp: "9999999999" }),
    "exp null": payloadOf({ exp: null }),
    "exp a list": payloadOf({ exp: [seconds + 60] }),
    "exp in milliseconds": payloadOf({ exp: Date.now() + 60_000 }),
    "exp 2^53": payloadOf({ exp: 2 ** 53 }),
    "exp 1e400": JSON.stringify(claims).replace(/"exp":\d+/, '"exp":1e400'),
    "iat in the future": payloadOf({ iat: seconds + 3_600, exp: seconds + 7_200 }),
    "aud of another kind": payloadOf({ aud: "sallyport:admin" }),
    "aud a list": payloadOf({ aud: [claims["aud"], "sallyport:admin"] }),
    "aud in upper case": payloadOf({ aud: String(claims["aud"]).toUpperCase() }),
    "aud with more behind it": payloadOf({ aud: `${String(claims["aud"])}s` }),
    "iss with a slash": payloadOf({ iss: `${String(claims["iss"])}/` }),
    "iss of another edge": payloadOf({ iss: "https://edge.example" }),
    "sub empty": payloadOf({ sub: "" }),
    "two audiences by name": JSON.stringify(claims).replace(/"aud":/, '"aud":"sallyport:admin","aud":'),
    "nested 5,000 deep": `{"aud":${"[".repeat(5_000)}${"]".repeat(5_000)}}`,
    everything: payloadOf({ targets: ["0.0.0.0/0:1-65535", "[::/0]:1-65535"] }),
    "a payload that is no object": "[]",
    "a payload that is not JSON": "{",
  };
  return {
    empty: "",
    noise: "x",
    "noise in three parts": "x.y.z",
    "a text with a blank": "a b",
    "two parts": `${header}.${payload}`,
    "four parts": `${good}.`,
    "no signature": `${header}.${payload}.`,
    "cut short": good.slice(0, -4),
    "another signature": `${header}.${payload}.${part(Buffer.alloc(64, 1).toString())}`,
    "with padding": `${header}.${payload}.${signature}=`,
    "in base64, not base64url": `${good.slice(0, -2)}+/`,
    ...Object.fromEntries(
      otherSpellings(good).map((token, index) => [`its signature in spelling ${index + 2} of 16`, token]),
    ),
    ...Object.fromEntries(
      ["none", "None", "NONE", "nOnE"].map((alg) => [`alg ${alg}`, `${part({ ...head, alg })}.${payload}.`]),
    ),
    "another payload": `${header}.${part(payloadOf({ exp: seconds + 10 ** 7 }))}.${signature}`,
    "encrypted, five parts": `${part({ alg: "dir", enc: "A256GCM" })}..${part("iv")}.${part("text")}.${part("tag")}`,
    "PBES2 of two thousand million rounds": `${part({ alg: "PBES2-HS256+A128KW", enc: "A128GCM", p2c: 2 ** 31, p2s: "x" })}.a.b.c.d`,
    "as JSON": JSON.stringify({ payload, signatures: [{ protected: header, signature }] }),
    "9 KB": `${header}.${part({ ...claims, pad: "x".repeat(9_000) })}.${signature}`,
    ...Object.fromEntries(
      Object.entries(headers).map(([name, [changed, with_]]) => [name, signed(changed, claims, with_)]),
    ),
    ...Object.fromEntries(Object.entries(payloads).map(([name, changed]) => [name, signed(head, changed, own)])),
  };
}
