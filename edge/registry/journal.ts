import { Connections } from "./connections.ts";
import { fairShares } from "./fair-shares.ts";
import { DEFAULT_RETENTION, type Retention } from "./retention.ts";
import type { Sql, SqlValue } from "./sql.ts";
import type { Actor } from "./actor.ts";
import type { ConnectionRecord } from "./types.ts";

const HOUR_MS = 3600_000;
const DAY_MS = 24 * HOUR_MS;
/** Audit entries between two checks of the limit, because counting costs more than an insert. */
const CHECK_EVERY = 50;

/**
 * One entry of the audit log: an actor, its address ("" if it has none), its action and the subject of that. The entry stands for
 * `count` equal actions, the first at `at` and the last at `last` (milliseconds since 1970).
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

/** Filter for audit entries. `action`: the first words of the action. `since`: milliseconds since 1970. */
export type AuditFilter = {
  limit: number;
  before?: number | undefined;
  since?: number | undefined;
  actor?: string | undefined;
  action?: string | undefined;
  subject?: string | undefined;
};

const AUDIT = `at, COALESCE(last, at) AS last, count, actor, source AS "from", action, subject, detail`;

/** The logs of connections and of changes; the oldest entries are deleted. */
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

  /** Records finished connections. `now`: milliseconds since 1970. */
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
    // Grouping a million rows takes a quarter of a second, so a long log is trimmed only when it is 1 % over its limit.
    this.connections.prune(connections, this.#since(now), Math.max(0, Math.floor(connections / 100) - 100));
    if (now - this.#lastAgeCheck >= HOUR_MS) this.#deleteOld(now);
  }

  /** Deletes entries beyond the configured number or age. */
  prune(now: number): void {
    this.connections.prune(this.#keep.connections, this.#since(now));
    this.#deleteOld(now);
    this.#trimAudit();
  }

  /** Returns the time from which on entries are kept, in milliseconds since 1970; 0 for no limit. */
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
   * Deletes the oldest entries beyond the limit: separately those without a payer, and those of payers, from the payers with the
   * most entries. So a token that may not change the register can't displace the entries of another.
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

  /**
   * Returns the last time that each mapping admitted a visitor, in milliseconds since 1970, by mapping id. Kept after the
   * connections are deleted.
   */
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

  /** Forgets a removed mapping; its id is never used again. */
  forget(mapping: number): void {
    this.#sql.exec("DELETE FROM uses WHERE mapping = ?", mapping);
    this.#sql.exec("DELETE FROM refused WHERE mapping = ?", mapping);
  }

  /** Returns the number of refused connections by mapping id. */
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

  /** Writes an audit entry. `payer`: the identity whose share of the log the entry counts against; "" for none. */
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
   * Writes an audit entry for an action that changes nothing and can be repeated freely. Repetitions by the same actor from the same
   * address within an hour share one entry, with their number and the subject and detail of the last.
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

  /** Returns the last `limit` matching audit entries with a number below `before`, oldest first. */
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

  /** Returns the last `limit` audit entries, oldest first. */
  audits(limit: number): AuditEntry[] {
    return this.#sql
      .exec<AuditEntry>(`SELECT ${AUDIT} FROM audit ORDER BY n DESC LIMIT ?`, limit)
      .toArray()
      .toReversed();
  }
}
