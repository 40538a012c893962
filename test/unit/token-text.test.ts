import { createHash, generateKeyPairSync, sign } from "node:crypto";
import fc from "fast-check";
import { decodeJwt, decodeProtectedHeader, type JWK } from "jose";
import { expect, test } from "vitest";
import { claimsOf as agentClaims } from "../../agent/token.ts";
import { claimsOf as callerClaims } from "../../gateway/caller-token.ts";
import type { Trust } from "../../edge/registry/types.ts";
import { signToken, verifyToken } from "../../edge/tokens.ts";
import { audienceOf, parseClaims, TOKEN_KINDS, typeOf, type TokenKind } from "../../shared/rule/claims.ts";
import { isTokenText } from "../../shared/rule/token-text.ts";
import { otherSpellings } from "../support/bad-tokens.ts";
import { good } from "./parsed.ts";

const NOW = Date.UTC(2026, 10, 22);
const URL = "https://edge.example";

const SCOPES: Record<TokenKind, object> = {
  agent: { site: "lab", targets: ["0.0.0.0/0"] },
  visitor: { endpoints: ["8080/tcp"] },
  gateway: { endpoints: "*", bind: "*" },
  admin: { readOnly: false },
};

test("of any bytes, there is one spelling of a part", () => {
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 100 });
  fc.assert(
    fc.property(bytes, bytes, bytes, (...parts) => {
      const spelt = parts.map((each) => Buffer.from(each).toString("base64url"));
      expect(isTokenText(spelt.join("."))).toBe(true);
      for (const [index, text] of spelt.entries()) {
        const others = ["=", "==", "A", " ", "\n"].map((more) => text + more);
        const last = otherSpellings(text).filter(
          (each) => Buffer.compare(Buffer.from(each, "base64url"), Buffer.from(text, "base64url")) === 0,
        );
        expect(last).toHaveLength([0, 15, 3][(parts[index]?.length ?? 0) % 3] ?? 0);
        for (const other of [...others.filter((each) => !isCanonical(each)), ...last])
          expect({ other, is: isTokenText(spelt.with(index, other).join(".")) }).toEqual({ other, is: false });
      }
    }),
  );
});

test.each([
  "",
  ".",
  "..",
  "AA",
  "AA.AA",
  "AA.AA.",
  ".AA.AA",
  "AA..AA",
  "AA.AA.AA.AA",
  "A.AA.AA",
  "AA.AA.AAAAA",
  "AA.AA.A+",
  "AA.AA.é",
  "AA.AA.AA\n",
  " AA.AA.AA",
])("%j is no token", (text) => expect(isTokenText(text)).toBe(false));

test.each(TOKEN_KINDS)(
  "of the 16 spellings of a signature, one is a token of kind %s, for the edge and for its holder",
  async (kind) => {
    const { key, trust } = authority();
    const token = await signToken(kind, claims(kind), key);
    const seen = await Promise.all(
      [token, ...otherSpellings(token)].map(async (each) => [
        (await verifyToken(each, kind, trust, NOW)).ok,
        kind === "admin" || holds(kind, each),
      ]),
    );
    expect(seen[0]).toEqual([true, true]);
    expect(seen.slice(1)).toEqual(Array.from({ length: 15 }, () => [false, kind === "admin"]));
  },
);

test("a header or payload in another spelling is refused even if it is signed so", async () => {
  const { privateKey, key, trust } = authority();
  // Of any three lengths that follow each other, two leave bits over.
  for (const pad of ["", "x", "xx"]) {
    const header = part({ alg: "EdDSA", typ: typeOf("admin"), kid: key.kid, pad });
    const payload = part({ ...claims("admin"), sub: `admin:1${pad}` });
    const signed = (...parts: string[]) =>
      `${parts.join(".")}.${sign(null, Buffer.from(parts.join(".")), privateKey).toString("base64url")}`;
    expect(await verifyToken(signed(header, payload), "admin", trust, NOW)).toMatchObject({ ok: true });
    for (const [other, another] of [
      [respelt(header), payload],
      [header, respelt(payload)],
    ] as const) {
      const token = signed(other, another);
      if (token === signed(header, payload)) continue;
      expect([decodeProtectedHeader(token).kid, decodeJwt(token).jti]).toEqual([key.kid, claims("admin").jti]);
      expect(await verifyToken(token, "admin", trust, NOW)).toMatchObject({ ok: false, code: "token-invalid" });
    }
  }
});

/** The same bytes with another last character; the text itself where there is no other. */
function respelt(text: string): string {
  const bytes = createHash("sha256").update(Buffer.from(text, "base64url")).digest("hex");
  return (
    otherSpellings(text).find(
      (each) => createHash("sha256").update(Buffer.from(each, "base64url")).digest("hex") === bytes,
    ) ?? text
  );
}

function isCanonical(text: string): boolean {
  return Buffer.from(text, "base64url").toString("base64url") === text;
}

/** Whether the program that holds a token takes it for one. */
function holds(kind: "agent" | "visitor" | "gateway", token: string): boolean {
  try {
    if (kind === "agent") agentClaims(token);
    else if (kind === "visitor") callerClaims(kind, token);
    else callerClaims(kind, token);
    return true;
  } catch {
    return false;
  }
}

function part(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

function authority() {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const kid = crypto.randomUUID();
  const { x = "" } = publicKey.export({ format: "jwk" });
  const trust: Trust = { keys: [{ kid, kty: "OKP", crv: "Ed25519", x, alg: "EdDSA", use: "sig" }], issuers: [URL] };
  const key: JWK & { kid: string } = { ...(privateKey.export({ format: "jwk" }) as JWK), kid };
  return { key, privateKey, trust };
}

function claims(kind: TokenKind) {
  const iat = NOW / 1000 - 60;
  const common = { iss: URL, sub: `${kind}:1`, aud: audienceOf(kind), iat, exp: iat + 3600, jti: "0123456789abcdef" };
  return good(parseClaims(kind, { ...common, ...SCOPES[kind] }));
}
