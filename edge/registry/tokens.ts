import type { Claims, TokenKind } from "../../shared/rule/claims.ts";
import { RENEWABLE_FOR } from "../../shared/rule/token-life.ts";
import type { Sql } from "./sql.ts";
import type { TokenState } from "./types.ts";

/** A token that was issued; the token itself is not stored. Times are milliseconds since 1970. */
export type IssuedToken = {
  jti: string;
  kind: TokenKind;
  sub: string;
  /** The site of an agent token; null for other kinds, which may reach several. */
  site: string | null;
  issued: number;
  expires: number;
  issuedBy: string;
  claims: Claims;
  /** When it was revoked; null if it was not. */
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

  /** When the latest token was issued, in milliseconds since 1970; in the future if the clock was set back since. */
  get latest(): number {
    this.#latest ??= this.#sql.exec<{ at: number | null }>("SELECT MAX(issued) AS at FROM tokens").one().at ?? 0;
    return this.#latest;
  }

  list(): IssuedToken[] {
    return this.#sql.exec<Row>(`SELECT ${COLUMNS} FROM tokens ORDER BY issued, rowid`).toArray().map(tokenOf);
  }

  /** Lists the last token of each identity, unless it is revoked; its predecessors need no attention. */
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

  /** Adds a token. `kid`: the key that signed it. */
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

  /** Counts the tokens of an issuer. */
  issuedBy(name: string): number {
    return this.#sql.exec<{ count: number }>("SELECT COUNT(*) AS count FROM tokens WHERE issued_by = ?", name).one()
      .count;
  }

  /** Revokes all tokens of an identity: the one first issued, and its renewals. */
  revokeIdentity(sub: string, now: number): void {
    this.#sql.exec("UPDATE tokens SET revoked = ? WHERE sub = ? AND revoked IS NULL", now, sub);
  }

  /** Revokes this token only, not others of its identity. Returns false if it was already revoked. */
  revoke(jti: string, now: number): boolean {
    const rows = this.#sql.exec<{ jti: string }>(
      "UPDATE tokens SET revoked = ? WHERE jti = ? AND revoked IS NULL RETURNING jti",
      now,
      jti,
    );
    return rows.toArray().length > 0;
  }

  /** Revokes all tokens signed by a key, and tokens whose key is not recorded. Returns those that were not yet revoked. */
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

  /** Revokes all agent tokens of a site. Returns those that were still valid or renewable. */
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

  /** Deletes all browser sessions of an identity except the `kept` newest. A token without a row is invalid. */
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

  /** Lists the revoked tokens that could still be presented at a site: those of its agents, and of all visitors and gateways. */
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

  /** Deletes tokens that have expired too long ago to be renewed. */
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
