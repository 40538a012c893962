import { exportJWK, generateKeyPair, type JWK } from "jose";
import * as z from "zod";
import { RENEWABLE_FOR } from "../../shared/rule/token-life.ts";
import { randomHex } from "./random.ts";
import type { Sql } from "./sql.ts";
import type { PublicKey } from "./types.ts";

const privateKey = z.object({ kty: z.literal("OKP"), crv: z.literal("Ed25519"), x: z.string(), d: z.string() });

/** Of a key that another edge signs with, only this half is known. */
export const publicHalf = privateKey.omit({ d: true });

export type SigningKey = JWK & { kid: string };

/** Milliseconds a key signs before the next one takes over; it goes on verifying what it signed. */
const SIGNS_FOR_MS = 90 * 24 * 3600_000;

type Row = { kid: string; jwk: string; created: number; needed_until: number };

/** The keys that sign tokens. Private halves never leave the registry. */
export class Keys {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** The key to sign with now: the newest, or a fresh one when that has signed long enough. */
  async current(now: number): Promise<SigningKey> {
    const newest = this.#rows().flatMap(signingKey)[0];
    if (newest !== undefined && now < newest.created + SIGNS_FOR_MS) return newest.key;
    return this.rotate(now);
  }

  /** Makes a new key to sign with; older ones go on verifying. */
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

  /** Notes that `kid` signed something good until `expires` (milliseconds): it is needed until that can't even be renewed. */
  noteUse(kid: string, expires: number): void {
    this.#sql.exec(
      "UPDATE keys SET needed_until = MAX(needed_until, ?) WHERE kid = ?",
      expires + RENEWABLE_FOR * 1000,
      kid,
    );
  }

  /** All keys that may have signed a token that still matters, newest first. */
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

  /** Forgets a key at once, whatever it has signed. */
  withdraw(kid: string): void {
    this.#sql.exec("DELETE FROM keys WHERE kid = ?", kid);
  }

  /** When each key was made, newest first, in milliseconds since 1970. */
  list(): { kid: string; created: number }[] {
    return this.#rows().map(({ kid, created }) => ({ kid, created }));
  }

  /** Forgets keys that no live token was signed with, except the newest. */
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

/** The key, if it is one of ours. */
function signingKey({ kid, jwk, created }: Row): { created: number; key: SigningKey }[] {
  const own = privateKey.safeParse(JSON.parse(jwk));
  return own.success ? [{ created, key: { ...own.data, kid } }] : [];
}

/** The text of a key without what nobody else may know. */
export function publicKey(jwk: string): string {
  return JSON.stringify(publicHalf.parse(JSON.parse(jwk)));
}
