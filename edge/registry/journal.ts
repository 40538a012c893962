import type { Sql, SqlValue } from "./sql.ts";
import type { ConnectionRecord } from "./types.ts";

/** Connections kept: enough to see why something failed an hour ago, little enough to read at once. */
export const MAX_CONNECTIONS = 1_000;
/** Audit entries kept: years of a register's changes. */
const MAX_AUDIT = 10_000;
/** Characters kept of a text that a stranger or a target had a hand in. */
const MAX_TEXT = 300;

/** Who changed what, and when (milliseconds since 1970). */
export type AuditEntry = { at: number; actor: string; action: string; subject: string; detail: string };

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

/** What happened: connections and changes, the oldest forgotten. */
export class Journal {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  record(records: readonly ConnectionRecord[]): void {
    for (const record of records.slice(-MAX_CONNECTIONS)) {
      const kept = { ...record, visitor: record.visitor.slice(0, MAX_TEXT), reason: record.reason.slice(0, MAX_TEXT) };
      this.#sql.exec(
        "INSERT INTO connections (mapping, outcome, record) VALUES (?, ?, ?)",
        record.mapping,
        record.outcome,
        JSON.stringify(kept),
      );
      if (record.mapping !== null && record.outcome !== "refused") this.#use(record.mapping, record.ended);
      if (record.outcome === "refused" && record.mapping !== null)
        this.#countRefused(record.mapping, record.count ?? 1);
    }
    this.#sql.exec("DELETE FROM connections WHERE n <= (SELECT MAX(n) FROM connections) - ?", MAX_CONNECTIONS);
  }

  /** The last `limit` connections, oldest first. */
  connections(limit: number): ConnectionRecord[] {
    return this.#sql
      .exec<{ record: string }>("SELECT record FROM connections ORDER BY n DESC LIMIT ?", limit)
      .toArray()
      .map(recordOf)
      .toReversed();
  }

  /** The last refused connection of each mapping. */
  refusals(): ConnectionRecord[] {
    return this.#sql
      .exec<{ record: string }>(
        "SELECT record FROM connections WHERE n IN (SELECT MAX(n) FROM connections WHERE outcome = 'refused' AND mapping IS NOT NULL GROUP BY mapping)",
      )
      .toArray()
      .map(recordOf);
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

  audit(entry: AuditEntry): void {
    const { at, actor, action, subject, detail } = entry;
    this.#sql.exec(
      "INSERT INTO audit (at, actor, action, subject, detail) VALUES (?, ?, ?, ?, ?)",
      at,
      actor,
      action,
      subject,
      detail,
    );
    this.#sql.exec("DELETE FROM audit WHERE n <= (SELECT MAX(n) FROM audit) - ?", MAX_AUDIT);
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
        `SELECT n, at, actor, action, subject, detail FROM audit ${where} ORDER BY n DESC LIMIT ?`,
        ...given.map(([, value]) => value),
        limit,
      )
      .toArray()
      .toReversed();
  }

  /** The last `limit` changes, oldest first. */
  audits(limit: number): AuditEntry[] {
    return this.#sql
      .exec<AuditEntry>("SELECT at, actor, action, subject, detail FROM audit ORDER BY n DESC LIMIT ?", limit)
      .toArray()
      .toReversed();
  }
}

function recordOf({ record }: { record: string }): ConnectionRecord {
  return JSON.parse(record) as ConnectionRecord;
}
