import * as z from "zod";
import type { Grant } from "../../shared/rule/grant.ts";
import type { Sql } from "./sql.ts";

type Row = {
  id: string;
  mappings: string;
  recipient: string;
  created: number;
  until: number;
  created_by: string;
  ipv4: string | null;
  ipv6: string | null;
};

/** Ids of a grant's mappings, as stored in its row. */
export const GrantMappings = z.array(z.int().positive()).min(1).max(64);

/** The browser that used a link first: the hash of its secret, and the time in milliseconds since 1970. */
export type GrantUser = { browser: string; used: number };

const COLUMNS = "id, mappings, recipient, created, until, created_by, ipv4, ipv6";

/** The table of grants. It holds only the hash of each link, so a leaked table opens nothing. */
export class Grants {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** Lists the grants that have not ended, oldest first. */
  live(now: number): Grant[] {
    return this.#sql
      .exec<Row>(`SELECT ${COLUMNS} FROM grants WHERE until > ? ORDER BY created, id`, now)
      .toArray()
      .map(grantOf);
  }

  /** Lists the grants that have ended and are still in the table. */
  ended(now: number): Grant[] {
    return this.#sql.exec<Row>(`SELECT ${COLUMNS} FROM grants WHERE until <= ?`, now).toArray().map(grantOf);
  }

  /** Returns the time of the next end of a grant, in milliseconds since 1970. */
  nextEnd(): number | undefined {
    return this.#sql.exec<{ next: number | null }>("SELECT MIN(until) AS next FROM grants").one().next ?? undefined;
  }

  find(id: string): Grant | undefined {
    return this.#sql.exec<Row>(`SELECT ${COLUMNS} FROM grants WHERE id = ?`, id).toArray().map(grantOf)[0];
  }

  /** `link`: the hash of the link's secret. */
  byLink(link: string): Grant | undefined {
    return this.#sql.exec<Row>(`SELECT ${COLUMNS} FROM grants WHERE link = ?`, link).toArray().map(grantOf)[0];
  }

  add({ id, mappings, to, created, until, by }: Omit<Grant, "addresses">, link: string): void {
    this.#sql.exec(
      "INSERT INTO grants (id, link, mappings, recipient, created, until, created_by) VALUES (?, ?, ?, ?, ?, ?, ?)",
      id,
      link,
      JSON.stringify(mappings),
      to,
      created,
      until,
      by,
    );
  }

  /** Stores the address that the grant admits for this IP version. */
  admit(id: string, version: 4 | 6, address: string): void {
    this.#sql.exec(`UPDATE grants SET ${version === 4 ? "ipv4" : "ipv6"} = ? WHERE id = ?`, address, id);
  }

  /** Returns the browser that used the link first. */
  userOf(id: string): GrantUser | undefined {
    const [row] = this.#sql
      .exec<{ browser: string | null; used: number | null }>("SELECT browser, used FROM grants WHERE id = ?", id)
      .toArray();
    return row === undefined || row.browser === null || row.used === null
      ? undefined
      : { browser: row.browser, used: row.used };
  }

  setUser(id: string, { browser, used }: GrantUser): void {
    this.#sql.exec("UPDATE grants SET browser = ?, used = ? WHERE id = ?", browser, used, id);
  }

  remove(id: string): void {
    this.#sql.exec("DELETE FROM grants WHERE id = ?", id);
  }
}

function grantOf({ id, mappings, recipient, created, until, created_by, ipv4, ipv6 }: Row): Grant {
  return {
    id,
    mappings: mappingsIn(mappings),
    addresses: [ipv4, ipv6].filter((address) => address !== null),
    to: recipient,
    created,
    until,
    by: created_by,
  };
}

/** Parses a grant's mapping ids. Returns none for a bad value, which an import of an earlier version may have stored. */
function mappingsIn(text: string): number[] {
  try {
    return GrantMappings.parse(JSON.parse(text));
  } catch {
    return [];
  }
}
