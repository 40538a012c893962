import type { Sql } from "./sql.ts";

/** A site in the registry. */
export type Site = {
  name: string;
  /** Name of its relay object. A site that is removed and added again gets a new relay. */
  relay: string;
  /** Grows with every change of its rules. */
  revision: number;
  /** Milliseconds since 1970. */
  created: number;
  /** True once an agent has connected to this relay. */
  relaySeen: boolean;
};

type Row = { name: string; generation: number; revision: number; created: number; relay_seen: number };

const COLUMNS = "name, generation, revision, created, relay_seen";

/** The table of sites. Removed sites keep their row, so that a new site of the same name never gets the old one's relay. */
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

  /** Adds a site, or adds a removed one again with a new relay. */
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

  /** Increases the revision after a change of the site's rules; returns the new one. */
  touch(name: string): number {
    return this.#sql
      .exec<{ revision: number }>("UPDATE sites SET revision = revision + 1 WHERE name = ? RETURNING revision", name)
      .one().revision;
  }

  touchAll(): void {
    this.#sql.exec("UPDATE sites SET revision = revision + 1 WHERE removed IS NULL");
  }

  /** Notes that an agent has connected to this relay, which from now on gets changes of rules. */
  markSeen(name: string, relay: string): void {
    const row = this.#sql.exec<Row>(`SELECT ${COLUMNS} FROM sites WHERE name = ?`, name).toArray()[0];
    if (row !== undefined && siteOf(row).relay === relay)
      this.#sql.exec("UPDATE sites SET relay_seen = 1 WHERE name = ? AND relay_seen = 0", name);
  }

  markPushed(name: string, revision: number): void {
    this.#sql.exec("UPDATE sites SET pushed = ? WHERE name = ? AND pushed < ?", revision, name, revision);
  }

  /** Lists the sites, including removed ones, whose relay has not confirmed the last change. */
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
