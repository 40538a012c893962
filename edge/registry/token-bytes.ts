import type { Sql } from "./sql.ts";

/** Bytes that a token has carried since they were last told, by its `jti`. */
export type TokenBytes = { jti: string; bytes: number };

/** The table of what tokens with a cap on bytes have carried, through whichever relay. */
export class TokenBytesTable {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** Adds to what a token has carried; answers all of it. */
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

  /** Forgets tokens that are not listed any more. */
  prune(): void {
    this.#sql.exec("DELETE FROM spent WHERE jti NOT IN (SELECT jti FROM tokens)");
  }
}
