import { Connections } from "./connections.ts";
import { fairShares } from "./fair-shares.ts";
import { DEFAULT_RETENTION, type Retention } from "./retention.ts";
import type { Sql, SqlValue } from "./sql.ts";
import type { Actor } from "./actor.ts";
import type { ConnectionRecord } from "./types.ts";

const HOUR_MS = 3600_000;
const DAY_MS = 24 * HOUR_MS;
/** Entries between two checks of the limit: counting costs more than an insert. */
const CHECK_EVERY = 50;

/**
 * One entry of the audit: an actor, its address ("" if it has none), and what it did to which subject. `count` of them were alike,
 * the first at `at` and the last at `last` (milliseconds since 1970).
 */
export type AuditEntry = {
  at: number;
  last: number;
  count: number;
  actor: string;
  from: string;
  action: string;
  subject: string;
  detail: string;
};

export type NumberedEntry = AuditEntry & { n: number };

/** Which of them are wanted. `action`: its first words. `since` in milliseconds since 1970. */
export type AuditFilter = {
  limit: number;
  before?: number | undefined;
  since?: number | undefined;
  actor?: string | undefined;
  action?: string | undefined;
  subject?: string | undefined;
};

const AUDIT = `at, COALESCE(last, at) AS last, count, actor, source AS "from", action, subject, detail`;

/** What happened: connections and changes, the oldest forgotten. */
export class Journal {
  readonly connections: Connections;
  readonly #sql: Sql;
  readonly #keep: Retention;
  #lastAgeCheck = 0;

  constructor(sql: Sql, keep = DEFAULT_RETENTION) {
    this.#sql = sql;
    this.#keep = keep;
    this.connections = new Connections(sql);
  }

  /** `now` in milliseconds since 1970. */
  record(records: readonly ConnectionRecord[], now: number): void {
    const kept = records.slice(-this.#keep.connections);
    const uses = new Map<number, number>();
    const refused = new Map<number, number>();
    for (const { mapping, outcome, ended, count = 1 } of kept) {
      if (mapping === null) continue;
      if (outcome === "refused") refused.set(mapping, (refused.get(mapping) ?? 0) + count);
      else uses.set(mapping, Math.max(ended, uses.get(mapping) ?? 0));
    }
    this.connections.add(kept);
    for (const [mapping, at] of uses) this.#use(mapping, at);
    for (const [mapping, count] of refused) this.#countRefused(mapping, count);
    const { connections } = this.#keep;
    // Grouping a million rows takes a quarter of a second, so a long log is trimmed by the hundredth part.
    this.connections.prune(connections, this.#since(now), Math.max(0, Math.floor(connections / 100) - 100));
    if (now - this.#lastAgeCheck >= HOUR_MS) this.#deleteOld(now);
  }

  /** Forgets what is more, or older, than is to be kept. */
  prune(now: number): void {
    this.connections.prune(this.#keep.connections, this.#since(now));
    this.#deleteOld(now);
    this.#trimAudit();
  }

  /** Tells since when connections and entries are kept, in milliseconds since 1970; 0 for no limit. */
  #since(now: number): number {
    const { days } = this.#keep;
    return days === null ? 0 : now - days * DAY_MS;
  }

  #deleteOld(now: number): void {
    this.#lastAgeCheck = now;
    const since = this.#since(now);
    if (since > 0) this.#sql.exec("DELETE FROM audit WHERE COALESCE(last, at) < ?", since);
  }

  /**
   * Deletes the oldest changes beyond the limit, and apart from them the oldest entries that are charged to a payer, from the
   * payers with the most. So a token without the right to change the register can't push out another one's entries.
   */
  #trimAudit(): void {
    const payers = this.#sql
      .exec<{ payer: string; count: number }>("SELECT payer, COUNT(*) AS count FROM audit GROUP BY payer")
      .toArray();
    const others = payers.filter(({ payer }) => payer !== "");
    const kept = fairShares(
      others.map(({ count }) => count),
      this.#keep.audit,
    );
    const changes = payers.find(({ payer }) => payer === "")?.count ?? 0;
    this.#forgetOldest("", changes - this.#keep.audit);
    for (const [index, { payer, count }] of others.entries()) this.#forgetOldest(payer, count - (kept[index] ?? 0));
  }

  #forgetOldest(payer: string, count: number): void {
    if (count <= 0) return;
    this.#sql.exec(
      "DELETE FROM audit WHERE n IN (SELECT n FROM audit WHERE payer = ? ORDER BY n LIMIT ?)",
      payer,
      count,
    );
  }

  /** When somebody last was let through each mapping, in milliseconds since 1970, by its id. Outlives the connections kept. */
  uses(): Map<number, number> {
    const rows = this.#sql.exec<{ mapping: number; last: number }>("SELECT mapping, last FROM uses").toArray();
    return new Map(rows.map(({ mapping, last }) => [mapping, last]));
  }

  #use(mapping: number, at: number): void {
    this.#sql.exec(
      "INSERT INTO uses (mapping, last) VALUES (?, ?) ON CONFLICT (mapping) DO UPDATE SET last = MAX(last, excluded.last)",
      mapping,
      at,
    );
  }

  /** A mapping is gone, and its id never comes back. */
  forget(mapping: number): void {
    this.#sql.exec("DELETE FROM uses WHERE mapping = ?", mapping);
    this.#sql.exec("DELETE FROM refused WHERE mapping = ?", mapping);
  }

  /** How many were refused, by id of the mapping. */
  refusedCounts(): Map<number, number> {
    const rows = this.#sql.exec<{ mapping: number; count: number }>("SELECT mapping, count FROM refused").toArray();
    return new Map(rows.map(({ mapping, count }) => [mapping, count]));
  }

  #countRefused(mapping: number, count: number): void {
    this.#sql.exec(
      "INSERT INTO refused (mapping, count) VALUES (?, ?) ON CONFLICT (mapping) DO UPDATE SET count = count + excluded.count",
      mapping,
      count,
    );
  }

  /** Writes a change down. */
  audit({ name, from, payer = "", now }: Actor, action: string, subject: string, detail = "", count = 1): void {
    const { n } = this.#sql
      .exec<{ n: number }>(
        "INSERT INTO audit (at, actor, source, action, subject, detail, payer, count) VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING n",
        now,
        name,
        from,
        action,
        subject,
        detail,
        payer,
        count,
      )
      .one();
    if (n % CHECK_EVERY === 0) this.#trimAudit();
  }

  /**
   * Writes down an action that changes nothing and can be repeated at will. Repetitions by the same actor from the same address
   * within an hour are one entry with their number, and the subject and detail of the last.
   */
  auditRepeatable(actor: Actor, action: string, subject: string, detail = "", count = 1): void {
    const { name, from, payer = "", now } = actor;
    const [before] = this.#sql
      .exec<{ n: number }>(
        `SELECT n FROM audit WHERE payer = ? AND actor = ? AND action = ? AND source = ? AND at > ? ORDER BY n DESC LIMIT 1`,
        payer,
        name,
        action,
        from,
        now - HOUR_MS,
      )
      .toArray();
    if (before === undefined) return this.audit(actor, action, subject, detail, count);
    this.#sql.exec(
      "UPDATE audit SET count = count + ?, last = ?, subject = ?, detail = ? WHERE n = ?",
      count,
      now,
      subject,
      detail,
      before.n,
    );
  }

  /** The last `limit` changes of those that fit, oldest first, before the one numbered `before`. */
  auditPage({ limit, before, since, actor, action, subject }: AuditFilter): NumberedEntry[] {
    const conditions: [string, SqlValue | undefined][] = [
      ["n < ?", before],
      ["COALESCE(last, at) >= ?", since],
      ["actor = ?", actor],
      ["subject = ?", subject],
      ["(action || ' ') LIKE ?", action === undefined ? undefined : `${action.replace(/[%_]/g, "")} %`],
    ];
    const given = conditions.filter((each): each is [string, SqlValue] => each[1] !== undefined);
    const where = given.length === 0 ? "" : `WHERE ${given.map(([text]) => text).join(" AND ")}`;
    return this.#sql
      .exec<NumberedEntry>(
        `SELECT n, ${AUDIT} FROM audit ${where} ORDER BY n DESC LIMIT ?`,
        ...given.map(([, value]) => value),
        limit,
      )
      .toArray()
      .toReversed();
  }

  /** The last `limit` changes, oldest first. */
  audits(limit: number): AuditEntry[] {
    return this.#sql
      .exec<AuditEntry>(`SELECT ${AUDIT} FROM audit ORDER BY n DESC LIMIT ?`, limit)
      .toArray()
      .toReversed();
  }
}
