import { importJWK, jwtVerify, SignJWT, type CryptoKey, type JWK } from "jose";
import { audienceOf, parseClaims, typeOf, type Claims, type ClaimsOf, type TokenKind } from "../shared/rule/claims.ts";
import { isTokenText } from "../shared/rule/token-text.ts";
import { CLOCK_SKEW, lifeOf, RENEWABLE_FOR } from "../shared/rule/token-life.ts";
import { problemResponse, type Problem } from "./problem.ts";
import type { PublicKey, Trust } from "./registry/types.ts";

/** Limit on the characters of a token, which must fit in a header. */
export const MAX_TOKEN = 8192;

const ALGORITHM = "EdDSA";

type TokenFault = "token-missing" | "token-invalid" | "token-early" | "token-expired" | "token-revoked";

/** Result of verifying a token. `reason` is for logs and for holders of tokens of this edge; others get the same answer in each case. */
export type Verified<K extends TokenKind> =
  | { ok: true; claims: ClaimsOf<K> }
  | { ok: false; code: TokenFault; reason: string };

/** Response header that asks for a bearer token. */
export const BEARER = { "www-authenticate": "Bearer" };

/** The answer to every bad token. It does not say what is wrong with the token, because an attacker would learn it too. */
export const TOKEN_REFUSED: Problem = {
  status: 401,
  code: "token-refused",
  title: "Token refused",
  detail: "This needs a valid token of the right kind: not expired, not revoked, and issued by this edge.",
};

export function tokenRefused(): Response {
  return problemResponse(TOKEN_REFUSED, BEARER);
}

/** Returns the token in `Authorization: Bearer`; null when it is missing, doubled or malformed. Tokens are taken from nowhere else. */
export function bearerOf(request: Request): string | null {
  const match = /^bearer +([\w-]+\.[\w-]+\.[\w-]+)$/i.exec(request.headers.get("authorization") ?? "");
  return match?.[1] ?? null;
}

/** Signs the claims of one token. */
export async function signToken(kind: TokenKind, claims: Claims, key: JWK & { kid: string }): Promise<string> {
  return new SignJWT({ ...claims })
    .setProtectedHeader({ alg: ALGORITHM, typ: typeOf(kind), kid: key.kid })
    .sign(await importJWK(key, ALGORITHM));
}

/**
 * Verifies a token of one kind: signature, algorithm, issuer, audience, type, shape of the claims, and life.
 * `now` in milliseconds since 1970. `lapsed`: also accept a token that may only renew. Does not check for revocation, which only the
 * registry knows.
 */
export async function verifyToken<K extends TokenKind>(
  token: string | null,
  kind: K,
  trust: Trust,
  now = Date.now(),
  lapsed = false,
): Promise<Verified<K>> {
  if (token === null || token === "") return { ok: false, code: "token-missing", reason: "no bearer token" };
  // Base64 decoders ignore white space, padding and unused bits: one token must have one spelling.
  if (token.length > MAX_TOKEN || !isTokenText(token)) {
    return { ok: false, code: "token-invalid", reason: "not in the form of a token" };
  }
  let payload: unknown;
  try {
    const verified = await jwtVerify(token, ({ kid }) => keyOf(trust, kid), {
      algorithms: [ALGORITHM],
      issuer: trust.issuers,
      audience: audienceOf(kind),
      typ: typeOf(kind),
      requiredClaims: ["exp", "iat", "jti", "sub"],
      currentDate: new Date(now),
      // `checkLife` decides about the token's life; a lapsed token may still renew.
      clockTolerance: RENEWABLE_FOR + CLOCK_SKEW,
    });
    payload = verified.payload;
  } catch (error) {
    return { ok: false, code: "token-invalid", reason: error instanceof Error ? error.message : "not a token" };
  }
  const claims = parseClaims(kind, payload);
  if (!claims.ok) return { ok: false, code: "token-invalid", reason: claims.error.message };
  return checkLife<K>(claims.value, trust, now, lapsed);
}

function checkLife<K extends TokenKind>(claims: ClaimsOf<K>, trust: Trust, now: number, lapsed: boolean): Verified<K> {
  const life = lifeOf(claims, now / 1000);
  switch (life) {
    case "live":
    case "ageing":
      return { ok: true, claims };
    case "lapsed":
      if (lapsed) return { ok: true, claims };
      return { ok: false, code: "token-expired", reason: `expired ${at(claims.exp)}; it may only renew` };
    case "early":
      // This edge issued the token and its clock was set back since. Refusing would stop the agent for good.
      if (claims.iat * 1000 <= (trust.latest ?? 0)) return { ok: true, claims };
      return { ok: false, code: "token-early", reason: `issued in the future (${at(claims.iat)}): is a clock wrong?` };
    case "dead":
      return { ok: false, code: "token-expired", reason: `expired ${at(claims.exp)}` };
  }
}

function at(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}

/** Imported keys by their bytes, because importing costs more than verifying. Keys no longer trusted are not looked up here. */
const imported = new Map<string, CryptoKey | Uint8Array>();
const MAX_IMPORTED = 32;

async function keyOf(trust: Trust, kid: string | undefined): Promise<CryptoKey | Uint8Array> {
  const key = trust.keys.find((each) => each.kid === kid);
  if (key === undefined) throw new Error("signed by a key that this edge does not have");
  return imported.get(key.x) ?? (await importKey(key));
}

async function importKey(key: PublicKey): Promise<CryptoKey | Uint8Array> {
  const usable = await importJWK(key, ALGORITHM);
  if (imported.size >= MAX_IMPORTED) imported.clear();
  imported.set(key.x, usable);
  return usable;
}
