import type { Sql } from "./sql.ts";

/** The table of the edge's own URLs: the canonical one, and former ones, which are still accepted. */
export class Urls {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** Lists the URLs, the canonical one first; empty before the first login. */
  list(): string[] {
    return this.#sql
      .exec<{ url: string }>("SELECT url FROM urls ORDER BY since DESC, rowid DESC")
      .toArray()
      .map(({ url }) => url);
  }

  canonical(): string | undefined {
    return this.list()[0];
  }

  /** Makes `url` the canonical one. */
  adopt(url: string, now: number): void {
    if (this.canonical() === url) return;
    const latest = this.#sql.exec<{ since: number }>("SELECT COALESCE(MAX(since), 0) AS since FROM urls").one().since;
    this.#sql.exec(
      "INSERT INTO urls (url, since) VALUES (?, ?) ON CONFLICT (url) DO UPDATE SET since = excluded.since",
      url,
      Math.max(now, latest + 1),
    );
  }
}
