import { exportJWK, generateKeyPair, type JWK } from "jose";
import * as z from "zod";
import { RENEWABLE_FOR } from "../../shared/rule/token-life.ts";
import { randomHex } from "./random.ts";
import type { Sql } from "./sql.ts";
import type { PublicKey } from "./types.ts";

const privateKey = z.object({ kty: z.literal("OKP"), crv: z.literal("Ed25519"), x: z.string(), d: z.string() });

/** The public half; the only half known of keys imported from another edge. */
export const publicHalf = privateKey.omit({ d: true });

export type SigningKey = JWK & { kid: string };

/** Milliseconds for which a key signs before a new one replaces it. It still verifies the tokens that it signed. */
const SIGNS_FOR_MS = 90 * 24 * 3600_000;

type Row = { kid: string; jwk: string; created: number; needed_until: number };

/** The keys that sign tokens. Private halves never leave the registry. */
export class Keys {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** Returns the newest key with a private half, or a new key if there is none or it is older than `SIGNS_FOR_MS`. */
  async current(now: number): Promise<SigningKey> {
    const newest = this.#rows().flatMap(signingKey)[0];
    if (newest !== undefined && now < newest.created + SIGNS_FOR_MS) return newest.key;
    return this.rotate(now);
  }

  /** Creates a new signing key. Older keys still verify. */
  async rotate(now: number): Promise<SigningKey> {
    const pair = await generateKeyPair("EdDSA", { crv: "Ed25519", extractable: true });
    const jwk = privateKey.parse(await exportJWK(pair.privateKey));
    const row = { kid: randomHex(8), jwk: JSON.stringify(jwk), created: now, needed_until: 0 };
    this.#sql.exec(
      "INSERT INTO keys (kid, jwk, created, needed_until) VALUES (?, ?, ?, ?)",
      row.kid,
      row.jwk,
      row.created,
      row.needed_until,
    );
    return { ...jwk, kid: row.kid };
  }

  /**
   * Notes that `kid` signed a token valid until `expires` (milliseconds since 1970); the key is kept until that token can no
   * longer be renewed.
   */
  noteUse(kid: string, expires: number): void {
    this.#sql.exec(
      "UPDATE keys SET needed_until = MAX(needed_until, ?) WHERE kid = ?",
      expires + RENEWABLE_FOR * 1000,
      kid,
    );
  }

  /** Returns the public keys that verify tokens, newest first. */
  verifying(): PublicKey[] {
    return this.#rows().map(({ kid, jwk }) => ({
      kid,
      kty: "OKP",
      crv: "Ed25519",
      x: publicHalf.parse(JSON.parse(jwk)).x,
      alg: "EdDSA",
      use: "sig",
    }));
  }

  /** Deletes a key at once, even if valid tokens were signed with it. */
  withdraw(kid: string): void {
    this.#sql.exec("DELETE FROM keys WHERE kid = ?", kid);
  }

  /** Lists the keys with their creation time (milliseconds since 1970), newest first. */
  list(): { kid: string; created: number }[] {
    return this.#rows().map(({ kid, created }) => ({ kid, created }));
  }

  /** Deletes keys that signed no token that is still valid or renewable, except the newest key. */
  prune(now: number): void {
    this.#sql.exec(
      "DELETE FROM keys WHERE needed_until <= ? AND kid != (SELECT kid FROM keys ORDER BY created DESC, kid LIMIT 1)",
      now,
    );
  }

  #rows(): Row[] {
    return this.#sql.exec<Row>("SELECT kid, jwk, created, needed_until FROM keys ORDER BY created DESC, kid").toArray();
  }
}

/** Returns the signing key of a row, or nothing if its private half is not known here. */
function signingKey({ kid, jwk, created }: Row): { created: number; key: SigningKey }[] {
  const own = privateKey.safeParse(JSON.parse(jwk));
  return own.success ? [{ created, key: { ...own.data, kid } }] : [];
}

/** Returns the JWK text without its private half. */
export function publicKey(jwk: string): string {
  return JSON.stringify(publicHalf.parse(JSON.parse(jwk)));
}
