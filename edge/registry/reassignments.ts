import { overlap, parseEndpoint, type Endpoint } from "../../shared/address/endpoint.ts";
import type { Sql } from "./sql.ts";

/** A mapping as the holder of an endpoint. */
export type Holder = {
  id: number;
  endpoint: string;
  site: string;
  /** `sub` of the token that created it. */
  by: string;
};

/** An endpoint that a mapping gave up, and when. */
type Vacated = { endpoint: string; ended: number };

/**
 * The tables of endpoints that belonged to another mapping before. A visitor token that names an endpoint was issued for the
 * mapping at that time. A later mapping at that endpoint is open only to tokens issued after the earlier one ended. All times are
 * milliseconds since 1970.
 */
export class Reassignments {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** Returns the earliest issue time of tokens that open this mapping by its endpoint; 0 if its endpoint had no earlier mapping. */
  since(mapping: number): number {
    const rows = this.#sql.exec<{ since: number }>("SELECT since FROM reassigned WHERE mapping = ?", mapping);
    return rows.toArray()[0]?.since ?? 0;
  }

  /** Returns `since` of all mappings for which it is not 0, by id. */
  all(): Map<number, number> {
    const rows = this.#sql.exec<{ mapping: number; since: number }>("SELECT mapping, since FROM reassigned").toArray();
    return new Map(rows.map(({ mapping, since }) => [mapping, since]));
  }

  /** Notes that a mapping was added. */
  added(holder: Holder): void {
    this.#raise(holder.id, this.#latestEnd(holder));
  }

  /** Notes that a mapping's endpoint or site was changed. At another site it is no longer the same service. */
  changed(before: Holder, after: Holder, now: number): void {
    if (before.site !== after.site) this.#raise(after.id, now + 1);
    if (before.endpoint === after.endpoint) return;
    this.#vacate(before, now);
    this.#raise(after.id, this.#latestEnd(after));
  }

  /** Notes that a mapping was removed. */
  removed(holder: Holder, now: number): void {
    this.#vacate(holder, now);
    this.#sql.exec("DELETE FROM reassigned WHERE mapping = ?", holder.id);
  }

  /**
   * Returns the earliest `iat` (seconds) of a token that opens the current mappings: this second, or the next if a mapping ended
   * within it.
   */
  earliestIssue(now: number): number {
    const { latest } = this.#sql
      .exec<{ latest: number }>(
        "SELECT MAX((SELECT COALESCE(MAX(since), 0) FROM reassigned), (SELECT COALESCE(MAX(ended), 0) FROM vacated)) AS latest",
      )
      .one();
    return Math.max(Math.floor(now / 1000), Math.ceil(latest / 1000));
  }

  /** Sets times in the future, written while the clock was wrong, to now. Returns true if there were any. */
  clampToNow(now: number): boolean {
    const query = (table: string, column: string): string =>
      `UPDATE ${table} SET ${column} = ? WHERE ${column} > ? RETURNING mapping`;
    const late = [query("reassigned", "since"), query("vacated", "ended")].map((text) =>
      this.#sql.exec<{ mapping: number }>(text, now + 1, now + 1).toArray(),
    );
    return late.flat().length > 0;
  }

  /**
   * Notes that a mapping gave up its endpoint. `ended` is a millisecond later: a token of this millisecond was issued for the
   * former mapping.
   */
  #vacate({ id, endpoint, by }: Holder, now: number): void {
    // No token can name an endpoint that this version can't parse.
    if (!parseEndpoint(endpoint).ok) return;
    // An entry that ended before the oldest valid visitor token was issued affects no token any longer.
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

  /** Returns when the last other mapping with an overlapping endpoint ended; 0 if there was none. */
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

/** Returns the agent that published a mapping: one that it publishes again after a restart counts as the same. */
function ownerOf(by: string): string {
  return by.startsWith("agent:") ? by : "";
}

/** Returns true if a token scope can cover both endpoints. A host without a port stands for all its ports. */
function isShared(formerText: string, endpoint: Endpoint): boolean {
  const former = parseEndpoint(formerText);
  if (!former.ok) return false;
  if (former.value.kind !== "http" || endpoint.kind !== "http") return overlap(former.value, endpoint) !== undefined;
  const { scheme, host, prefix } = former.value;
  return scheme === endpoint.scheme && host === endpoint.host && prefix === endpoint.prefix;
}
