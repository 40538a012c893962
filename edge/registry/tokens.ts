import type { Claims, TokenKind } from "../../shared/rule/claims.ts";
import { RENEWABLE_FOR } from "../../shared/rule/token-life.ts";
import type { Sql } from "./sql.ts";
import type { TokenState } from "./types.ts";

/** A token that was issued; the token itself is not kept. Moments in milliseconds since 1970. */
export type IssuedToken = {
  jti: string;
  kind: TokenKind;
  sub: string;
  /** The one site of an agent's token; null for kinds that may reach several. */
  site: string | null;
  issued: number;
  expires: number;
  issuedBy: string;
  claims: Claims;
  /** When it was revoked; null while it is good. */
  revoked: number | null;
};

type Row = {
  jti: string;
  kind: string;
  sub: string;
  site: string | null;
  issued: number;
  expires: number;
  issued_by: string;
  claims: string;
  revoked: number | null;
};

const COLUMNS = "jti, kind, sub, site, issued, expires, issued_by, claims, revoked";

/** The table of tokens. */
export class Tokens {
  readonly #sql: Sql;
  #latest: number | undefined;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** When the latest of them was issued, in milliseconds since 1970: it may lie ahead, if the clock was set back since. */
  get latest(): number {
    this.#latest ??= this.#sql.exec<{ at: number | null }>("SELECT MAX(issued) AS at FROM tokens").one().at ?? 0;
    return this.#latest;
  }

  list(): IssuedToken[] {
    return this.#sql.exec<Row>(`SELECT ${COLUMNS} FROM tokens ORDER BY issued, rowid`).toArray().map(tokenOf);
  }

  /** Those that count: the last one of each identity, unless it is revoked. What it was renewed from need not be looked after. */
  current(): IssuedToken[] {
    const last = new Map<string, IssuedToken>();
    for (const token of this.list()) {
      const other = last.get(token.sub);
      if (other === undefined || other.expires <= token.expires) last.set(token.sub, token);
    }
    return [...last.values()].filter(({ revoked }) => revoked === null);
  }

  find(jti: string): IssuedToken | undefined {
    return this.#sql.exec<Row>(`SELECT ${COLUMNS} FROM tokens WHERE jti = ?`, jti).toArray().map(tokenOf)[0];
  }

  /** `kid`: the key it was signed with. */
  add(kind: TokenKind, claims: Claims, issuedBy: string, kid: string): void {
    this.#latest = Math.max(this.latest, claims.iat * 1000);
    this.#sql.exec(
      "INSERT INTO tokens (jti, kind, sub, site, issued, expires, issued_by, claims, kid) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
      claims.jti,
      kind,
      claims.sub,
      "site" in claims ? claims.site : null,
      claims.iat * 1000,
      claims.exp * 1000,
      issuedBy,
      JSON.stringify(claims),
      kid,
    );
  }

  /** How many there are of an issuer. */
  issuedBy(name: string): number {
    return this.#sql.exec<{ count: number }>("SELECT COUNT(*) AS count FROM tokens WHERE issued_by = ?", name).one()
      .count;
  }

  /** Revokes all tokens of an identity: the one that was issued, and those that it was renewed into. */
  revokeIdentity(sub: string, now: number): void {
    this.#sql.exec("UPDATE tokens SET revoked = ? WHERE sub = ? AND revoked IS NULL", now, sub);
  }

  /** Revokes this one alone: others of its identity go on. Answers whether it was good until now. */
  revoke(jti: string, now: number): boolean {
    const rows = this.#sql.exec<{ jti: string }>(
      "UPDATE tokens SET revoked = ? WHERE jti = ? AND revoked IS NULL RETURNING jti",
      now,
      jti,
    );
    return rows.toArray().length > 0;
  }

  /** Revokes all that a key has signed; tokens of which that is not known count as its. Answers those that were good. */
  revokeSignedBy(kid: string, now: number): string[] {
    return this.#sql
      .exec<{ jti: string }>(
        "UPDATE tokens SET revoked = ? WHERE (kid = ? OR kid IS NULL) AND revoked IS NULL RETURNING jti",
        now,
        kid,
      )
      .toArray()
      .map(({ jti }) => jti);
  }

  /** Revokes all agent tokens of a site; answers those that were good. */
  revokeSite(site: string, now: number): string[] {
    return this.#sql
      .exec<{ jti: string }>(
        "UPDATE tokens SET revoked = ? WHERE site = ? AND revoked IS NULL AND expires > ? RETURNING jti",
        now,
        site,
        now - RENEWABLE_FOR * 1000,
      )
      .toArray()
      .map(({ jti }) => jti);
  }

  /** Deletes the browser sessions of an identity but the `kept` newest. A token that is not listed is not good. */
  endOldestSessions(sub: string, kept: number): void {
    this.#sql.exec(
      `DELETE FROM tokens WHERE jti IN (
         SELECT jti FROM tokens WHERE sub = ? AND claims ->> 'session' IS NOT NULL ORDER BY issued DESC, rowid DESC LIMIT -1 OFFSET ?)`,
      sub,
      kept,
    );
  }

  state(jti: string): TokenState {
    const token = this.find(jti);
    if (token === undefined) return "unknown";
    return token.revoked === null ? "live" : "revoked";
  }

  /** Revoked tokens that a site might still be shown: its agents' own, and those of visitors and gateways. */
  revokedAt(site: string, now: number): string[] {
    return this.#sql
      .exec<{ jti: string }>(
        "SELECT jti FROM tokens WHERE revoked IS NOT NULL AND expires > ? AND kind != 'admin' AND (site IS NULL OR site = ?) ORDER BY jti",
        now - RENEWABLE_FOR * 1000,
        site,
      )
      .toArray()
      .map(({ jti }) => jti);
  }

  /** Forgets tokens that nothing can be done with any more, not even renewal. */
  prune(now: number): void {
    this.#sql.exec("DELETE FROM tokens WHERE expires <= ?", now - RENEWABLE_FOR * 1000);
  }
}

function tokenOf(row: Row): IssuedToken {
  const { jti, sub, site, issued, expires, revoked } = row;
  return {
    jti,
    kind: row.kind as TokenKind,
    sub,
    site,
    issued,
    expires,
    issuedBy: row.issued_by,
    claims: JSON.parse(row.claims) as Claims,
    revoked,
  };
}
