import type { Address } from "../../shared/address/address.ts";
import { cidrContains, parseCidr, type Cidr } from "../../shared/address/cidr.ts";
import { unwrap } from "../../shared/result.ts";
import { parseHostAddress, splitHostPort } from "../../shared/address/socket-address.ts";
import { fairShares } from "./fair-shares.ts";
import type { Sql, SqlValue } from "./sql.ts";
import type { ConnectionRecord } from "./types.ts";

/** Filter for connections; an undefined field matches all. Plain data, because it crosses RPC. */
export type ConnectionFilter = {
  /** Ended at this time or later, in milliseconds since 1970. */
  since?: number | undefined;
  site?: string | undefined;
  /** Recorded with this endpoint, or through the mapping with the id `mapping`. */
  endpoint?: string | undefined;
  mapping?: number | undefined;
  /** A valid CIDR. */
  visitor?: string | undefined;
  outcome?: ConnectionRecord["outcome"] | undefined;
};

/** The connections of one site, mapping and outcome, and their number. */
type Group = { site: string; mapping: number | null; outcome: string; count: number };

export type NumberedRecord = ConnectionRecord & { n: number };

/** Characters kept of a text that a visitor or a target can influence. */
const MAX_TEXT = 300;
/** Rows read at once. */
const CHUNK = 500;

/** The table of connections that have ended. */
export class Connections {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** Inserts records in one statement: 500 separate ones delay every visitor of the edge by 12 ms (measured 2026-11-22). */
  add(records: readonly ConnectionRecord[]): void {
    if (records.length === 0) return;
    const kept = records.map((record) => ({
      ...record,
      visitor: record.visitor.slice(0, MAX_TEXT),
      reason: record.reason.slice(0, MAX_TEXT),
    }));
    this.#sql.exec(
      `INSERT INTO connections (site, mapping, outcome, record)
       SELECT value ->> 'site', value ->> 'mapping', value ->> 'outcome', value FROM json_each(?) ORDER BY key`,
      JSON.stringify(kept),
    );
  }

  /** Returns the last `limit` matching connections with a number below `before`, oldest first. */
  page(limit: number, before: number | undefined, filter: ConnectionFilter): NumberedRecord[] {
    const fits = matcherOf(filter);
    const found: NumberedRecord[] = [];
    for (let under = before ?? Number.MAX_SAFE_INTEGER; ;) {
      const rows = this.#rowsBelow(under, filter);
      for (const row of rows) {
        if (fits(row) && found.push(row) === limit) return found.toReversed();
      }
      const last = rows.at(-1);
      if (last === undefined || rows.length < CHUNK) return found.toReversed();
      under = last.n;
    }
  }

  #rowsBelow(n: number, { outcome }: ConnectionFilter): NumberedRecord[] {
    const wanted: SqlValue[] = outcome === undefined ? [] : [outcome];
    return this.#sql
      .exec<{ n: number; record: string }>(
        `SELECT n, record FROM connections WHERE n < ? ${outcome === undefined ? "" : "AND outcome = ?"} ORDER BY n DESC LIMIT ${CHUNK}`,
        n,
        ...wanted,
      )
      .toArray()
      .map(({ n: number, record }) => ({ ...(JSON.parse(record) as ConnectionRecord), n: number }));
  }

  /** Returns the last refused connection of each mapping. */
  refusals(): ConnectionRecord[] {
    return this.#sql
      .exec<{ record: string }>(
        "SELECT record FROM connections WHERE n IN (SELECT MAX(n) FROM connections WHERE outcome = 'refused' AND mapping IS NOT NULL GROUP BY mapping)",
      )
      .toArray()
      .map(({ record }) => JSON.parse(record) as ConnectionRecord);
  }

  /**
   * Deletes the oldest connections of the largest sites, and within a site of its largest mappings and outcomes, until `most` are
   * left. So a flood of visitors, admitted or refused, deletes only connections of its own site, mapping and outcome.
   */
  #trim(most: number, slack: number): void {
    const { count } = this.#sql.exec<{ count: number }>("SELECT COUNT(*) AS count FROM connections").one();
    if (count <= most + slack) return;
    const groups = this.#sql
      .exec<Group>("SELECT site, mapping, outcome, COUNT(*) AS count FROM connections GROUP BY site, mapping, outcome")
      .toArray();
    const bySite = new Map<string, Group[]>();
    for (const group of groups) bySite.set(group.site, [...(bySite.get(group.site) ?? []), group]);
    const sites = [...bySite.values()];
    const shares = fairShares(
      sites.map((own) => own.reduce((sum, group) => sum + group.count, 0)),
      most,
    );
    for (const [siteIndex, own] of sites.entries()) {
      const kept = fairShares(
        own.map((group) => group.count),
        shares[siteIndex] ?? 0,
      );
      for (const [index, group] of own.entries()) this.#forgetOldest(group, group.count - (kept[index] ?? 0));
    }
  }

  #forgetOldest({ site, mapping, outcome }: Group, count: number): void {
    if (count <= 0) return;
    this.#sql.exec(
      `DELETE FROM connections WHERE n IN (
         SELECT n FROM connections WHERE site = ? AND mapping IS ? AND outcome = ? ORDER BY n LIMIT ?)`,
      site,
      mapping,
      outcome,
      count,
    );
  }

  /**
   * Deletes all but `most` connections once there are `slack` more, and those that ended before `since` (milliseconds since 1970).
   */
  prune(most: number, since: number, slack = 0): void {
    this.#trim(most, slack);
    if (since <= 0) return;
    // Rows are inserted in the order in which the connections ended, or nearly so.
    for (;;) {
      const oldest = this.#sql
        .exec<{ n: number; record: string }>(`SELECT n, record FROM connections ORDER BY n LIMIT ${CHUNK}`)
        .toArray();
      const young = oldest.findIndex(({ record }) => (JSON.parse(record) as ConnectionRecord).ended >= since);
      const old = young < 0 ? oldest : oldest.slice(0, young);
      if (old.length > 0) this.#sql.exec("DELETE FROM connections WHERE n <= ?", old.at(-1)?.n ?? 0);
      if (old.length < CHUNK) return;
    }
  }
}

/** Returns a function that decides whether a connection matches the filter. */
export function matcherOf(filter: ConnectionFilter): (record: ConnectionRecord) => boolean {
  const { since = 0, site, endpoint, mapping, visitor, outcome } = filter;
  const cidr = visitor === undefined ? undefined : unwrap(parseCidr(visitor));
  return (record) =>
    record.ended >= since &&
    (site === undefined || record.site === site) &&
    (outcome === undefined || record.outcome === outcome) &&
    (endpoint === undefined || record.endpoint === endpoint || (mapping !== undefined && record.mapping === mapping)) &&
    (cidr === undefined || cameFrom(record, cidr));
}

function cameFrom({ visitor }: ConnectionRecord, cidr: Cidr): boolean {
  const address = addressOf(visitor);
  return address !== undefined && cidrContains(cidr, address);
}

/** Parses the address of `ip:port`, or an address alone. */
function addressOf(visitor: string): Address | undefined {
  const split = splitHostPort(visitor);
  const address = split === undefined ? undefined : parseHostAddress(split);
  return address?.ok === true ? address.value : undefined;
}
