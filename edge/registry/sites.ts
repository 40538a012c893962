import type { Sql } from "./sql.ts";

/** A site as the registry keeps it. */
export type Site = {
  name: string;
  /** Name of its relay object. A site added again after it was removed gets a new one. */
  relay: string;
  /** Moves with every change of its rules, and never back. */
  revision: number;
  /** Milliseconds since 1970. */
  created: number;
  /** Whether an agent has been at this relay. */
  relaySeen: boolean;
};

type Row = { name: string; generation: number; revision: number; created: number; relay_seen: number };

const COLUMNS = "name, generation, revision, created, relay_seen";

/** The table of sites. Names of removed ones are remembered: their relays must not be met again under new rules. */
export class Sites {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  list(): Site[] {
    return this.#sql
      .exec<Row>(`SELECT ${COLUMNS} FROM sites WHERE removed IS NULL ORDER BY name`)
      .toArray()
      .map(siteOf);
  }

  find(name: string): Site | undefined {
    return this.#sql
      .exec<Row>(`SELECT ${COLUMNS} FROM sites WHERE name = ? AND removed IS NULL`, name)
      .toArray()
      .map(siteOf)[0];
  }

  /** Adds a site that is not there. */
  add(name: string, now: number): void {
    this.#sql.exec(
      `INSERT INTO sites (name, generation, revision, created) VALUES (?, 1, 1, ?)
       ON CONFLICT (name) DO UPDATE SET generation = generation + 1, revision = revision + 1, created = excluded.created,
         removed = NULL, relay_seen = 0, pushed = 0`,
      name,
      now,
    );
  }

  remove(name: string, now: number): void {
    this.#sql.exec("UPDATE sites SET removed = ?, revision = revision + 1 WHERE name = ?", now, name);
  }

  /** Moves the revision for a change of the site's rules; answers the new one. */
  touch(name: string): number {
    return this.#sql
      .exec<{ revision: number }>("UPDATE sites SET revision = revision + 1 WHERE name = ? RETURNING revision", name)
      .one().revision;
  }

  touchAll(): void {
    this.#sql.exec("UPDATE sites SET revision = revision + 1 WHERE removed IS NULL");
  }

  /** An agent has been at this relay: from now on it is told of changes. */
  markSeen(name: string, relay: string): void {
    const row = this.#sql.exec<Row>(`SELECT ${COLUMNS} FROM sites WHERE name = ?`, name).toArray()[0];
    if (row !== undefined && siteOf(row).relay === relay)
      this.#sql.exec("UPDATE sites SET relay_seen = 1 WHERE name = ? AND relay_seen = 0", name);
  }

  markPushed(name: string, revision: number): void {
    this.#sql.exec("UPDATE sites SET pushed = ? WHERE name = ? AND pushed < ?", revision, name, revision);
  }

  /** Sites, removed ones too, whose relay has not confirmed the last change. */
  unpushed(): Site[] {
    return this.#sql
      .exec<Row>(`SELECT ${COLUMNS} FROM sites WHERE relay_seen = 1 AND pushed < revision ORDER BY name`)
      .toArray()
      .map(siteOf);
  }
}

function siteOf({ name, generation, revision, created, relay_seen }: Row): Site {
  return { name, relay: `${name}#${generation}`, revision, created, relaySeen: relay_seen === 1 };
}
