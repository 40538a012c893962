import { Connections } from "./connections.ts";
import { USUAL_RETENTION, type Retention } from "./retention.ts";
import type { Sql, SqlValue } from "./sql.ts";
import type { Actor } from "./actor.ts";
import type { ConnectionRecord } from "./types.ts";

const DAY_MS = 24 * 3600_000;

/** Who changed what, when (milliseconds since 1970), and from which address; "" where that is nobody's. */
export type AuditEntry = {
  at: number;
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

const AUDIT = `at, actor, source AS "from", action, subject, detail`;

/** What happened: connections and changes, the oldest forgotten. */
export class Journal {
  readonly connections: Connections;
  readonly #sql: Sql;
  readonly #keep: Retention;

  constructor(sql: Sql, keep = USUAL_RETENTION) {
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
    this.prune(now);
  }

  /** Forgets what is more, or older, than is to be kept. */
  prune(now: number): void {
    const { connections, audit, days } = this.#keep;
    const since = days === null ? 0 : now - days * DAY_MS;
    this.connections.prune(connections, since);
    this.#sql.exec("DELETE FROM audit WHERE n <= (SELECT MAX(n) FROM audit) - ? OR at < ?", audit, since);
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

  /** Writes down what somebody did. */
  audit({ name, from, now }: Actor, action: string, subject: string, detail = ""): void {
    this.#sql.exec(
      "INSERT INTO audit (at, actor, source, action, subject, detail) VALUES (?, ?, ?, ?, ?, ?)",
      now,
      name,
      from,
      action,
      subject,
      detail,
    );
    this.#sql.exec("DELETE FROM audit WHERE n <= (SELECT MAX(n) FROM audit) - ?", this.#keep.audit);
  }

  /** The last `limit` changes of those that fit, oldest first, before the one numbered `before`. */
  auditPage({ limit, before, since, actor, action, subject }: AuditFilter): NumberedEntry[] {
    const conditions: [string, SqlValue | undefined][] = [
      ["n < ?", before],
      ["at >= ?", since],
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
