import type { Sql } from "./sql.ts";

/** Bytes that a token has carried since the last report. */
export type TokenBytes = { jti: string; bytes: number };

/** The table (`spent`) of bytes carried by tokens with a byte cap, summed over all relays. */
export class TokenBytesTable {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** Adds bytes carried by a token; returns its new total. */
  add({ jti, bytes }: TokenBytes): number {
    return this.#sql
      .exec<{ bytes: number }>(
        "INSERT INTO spent (jti, bytes) VALUES (?, ?) ON CONFLICT (jti) DO UPDATE SET bytes = bytes + excluded.bytes RETURNING bytes",
        jti,
        bytes,
      )
      .one().bytes;
  }

  all(): Map<string, number> {
    const rows = this.#sql.exec<{ jti: string; bytes: number }>("SELECT jti, bytes FROM spent").toArray();
    return new Map(rows.map(({ jti, bytes }) => [jti, bytes]));
  }

  /** Deletes rows of tokens that are no longer in the table of tokens. */
  prune(): void {
    this.#sql.exec("DELETE FROM spent WHERE jti NOT IN (SELECT jti FROM tokens)");
  }
}
