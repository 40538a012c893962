import { overlap, parseEndpoint, type Endpoint } from "../../shared/address/endpoint.ts";
import type { Sql } from "./sql.ts";

/** A mapping as far as it matters to those that come after it at its endpoint. */
export type Holder = {
  id: number;
  endpoint: string;
  site: string;
  /** `sub` of the token that it was made with. */
  by: string;
};

type Vacated = { endpoint: string; ended: number };

/**
 * Which endpoints belonged to another mapping before. A visitor's token that names an endpoint was issued for what was mapped
 * there; once that has ended, whatever is mapped there later is for tokens that are issued later. Moments in milliseconds since 1970.
 */
export class Reassignments {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** From when on tokens must have been issued that name a mapping's endpoint; 0: no other mapping was ever there. */
  since(mapping: number): number {
    const rows = this.#sql.exec<{ since: number }>("SELECT since FROM reassigned WHERE mapping = ?", mapping);
    return rows.toArray()[0]?.since ?? 0;
  }

  /** The same of all mappings of which it is not 0, by their id. */
  all(): Map<number, number> {
    const rows = this.#sql.exec<{ mapping: number; since: number }>("SELECT mapping, since FROM reassigned").toArray();
    return new Map(rows.map(({ mapping, since }) => [mapping, since]));
  }

  /** A mapping begins at its endpoint. */
  added(holder: Holder): void {
    this.#raise(holder.id, this.#latestEnd(holder));
  }

  /** A mapping that stays what it is has another endpoint, or leads to another site, where it is no longer the same service. */
  changed(before: Holder, after: Holder, now: number): void {
    if (before.site !== after.site) this.#raise(after.id, now + 1);
    if (before.endpoint === after.endpoint) return;
    this.#vacate(before, now);
    this.#raise(after.id, this.#latestEnd(after));
  }

  /** A mapping is gone. */
  removed(holder: Holder, now: number): void {
    this.#vacate(holder, now);
    this.#sql.exec("DELETE FROM reassigned WHERE mapping = ?", holder.id);
  }

  /** The second from which a token may be issued that opens what is mapped now: this one, or the next if something ended within it. */
  earliestIssue(now: number): number {
    const { latest } = this.#sql
      .exec<{ latest: number }>(
        "SELECT MAX((SELECT COALESCE(MAX(since), 0) FROM reassigned), (SELECT COALESCE(MAX(ended), 0) FROM vacated)) AS latest",
      )
      .one();
    return Math.max(Math.floor(now / 1000), Math.ceil(latest / 1000));
  }

  /** What ended in the future, by a clock that was wrong then, has ended now. Answers whether there was anything. */
  clampToNow(now: number): boolean {
    const query = (table: string, column: string): string =>
      `UPDATE ${table} SET ${column} = ? WHERE ${column} > ? RETURNING mapping`;
    const late = [query("reassigned", "since"), query("vacated", "ended")].map((text) =>
      this.#sql.exec<{ mapping: number }>(text, now + 1, now + 1).toArray(),
    );
    return late.flat().length > 0;
  }

  /** `ended` is the first moment after: a token of the very millisecond was issued for the former mapping. */
  #vacate({ id, endpoint, by }: Holder, now: number): void {
    // One that this version can't read nobody can name.
    if (!parseEndpoint(endpoint).ok) return;
    // What no good token is older than is no news to any of them.
    this.#sql.exec(
      `DELETE FROM vacated WHERE ended <
       (SELECT COALESCE(MIN(issued), ?) FROM tokens WHERE kind = 'visitor' AND revoked IS NULL AND expires > ?)`,
      now,
      now,
    );
    this.#sql.exec(
      `INSERT INTO vacated (mapping, endpoint, owner, ended) VALUES (?, ?, ?, ?)
       ON CONFLICT (mapping, endpoint) DO UPDATE SET ended = excluded.ended`,
      id,
      endpoint,
      ownerOf(by),
      now + 1,
    );
  }

  /** When the last other mapping ended that shared something with this one's endpoint; 0: none did. */
  #latestEnd({ id, endpoint: text, by }: Holder): number {
    const rows = this.#sql
      .exec<Vacated>(
        "SELECT endpoint, ended FROM vacated WHERE mapping != ? AND NOT (owner = ? AND owner != '') ORDER BY ended DESC",
        id,
        ownerOf(by),
      )
      .toArray();
    const endpoint = parseEndpoint(text);
    if (!endpoint.ok) return 0;
    return rows.find((former) => isShared(former.endpoint, endpoint.value))?.ended ?? 0;
  }

  #raise(mapping: number, since: number): void {
    if (since === 0) return;
    this.#sql.exec(
      "INSERT INTO reassigned (mapping, since) VALUES (?, ?) ON CONFLICT (mapping) DO UPDATE SET since = MAX(since, excluded.since)",
      mapping,
      since,
    );
  }
}

/** An ad-hoc mapping that its agent makes again, whenever it is started, is the same one. */
function ownerOf(by: string): string {
  return by.startsWith("agent:") ? by : "";
}

/** Whether tokens that name one endpoint may name the other, too: a host without a port stands for any port of it. */
function isShared(formerText: string, endpoint: Endpoint): boolean {
  const former = parseEndpoint(formerText);
  if (!former.ok) return false;
  if (former.value.kind !== "http" || endpoint.kind !== "http") return overlap(former.value, endpoint) !== undefined;
  const { scheme, host, prefix } = former.value;
  return scheme === endpoint.scheme && host === endpoint.host && prefix === endpoint.prefix;
}
