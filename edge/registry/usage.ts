import type { Usage } from "../relay/meter.ts";
import type { Sql } from "./sql.ts";

/** Days kept, enough to compare this month with the last one. */
const DAYS = 70;
const DAY_MS = 86_400_000;

/** A site's usage on one day, `YYYY-MM-DD` in UTC. */
export type SiteUsage = Usage & { site: string; day: string };

/** The table of the sites' use of the platform. */
export class UsageTable {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  add(site: string, { requests, messages, activeMs }: Usage, now: number): void {
    this.#sql.exec(
      `INSERT INTO usage (site, day, requests, messages, active_ms) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (site, day) DO UPDATE SET requests = requests + excluded.requests, messages = messages + excluded.messages,
         active_ms = active_ms + excluded.active_ms`,
      site,
      dayOf(now),
      requests,
      messages,
      activeMs,
    );
    this.#sql.exec("DELETE FROM usage WHERE day < ?", dayOf(now - DAYS * DAY_MS));
  }

  /** Returns the usage from `day` on, by site and day. */
  since(day: string): SiteUsage[] {
    return this.#sql
      .exec<{ site: string; day: string; requests: number; messages: number; active_ms: number }>(
        "SELECT site, day, requests, messages, active_ms FROM usage WHERE day >= ? ORDER BY site, day",
        day,
      )
      .toArray()
      .map(({ active_ms: activeMs, ...rest }) => ({ ...rest, activeMs }));
  }
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
