import type { Address } from "../../shared/address/address.ts";
import { cidrContains, parseCidr, type Cidr } from "../../shared/address/cidr.ts";
import { known } from "../../shared/result.ts";
import { parseHostAddress, splitHostPort } from "../../shared/address/socket-address.ts";
import { fairShares } from "./fair-shares.ts";
import type { Sql, SqlValue } from "./sql.ts";
import type { ConnectionRecord } from "./types.ts";

/** Which connections are wanted; undefined: whatever it is. Plain data, for it crosses RPC. */
export type ConnectionFilter = {
  /** Ended at that time or later, in milliseconds since 1970. */
  since?: number | undefined;
  site?: string | undefined;
  /** Through this endpoint as it is written down, or through the mapping with this id. */
  endpoint?: string | undefined;
  mapping?: number | undefined;
  /** A CIDR that has been parsed before. */
  visitor?: string | undefined;
  outcome?: ConnectionRecord["outcome"] | undefined;
};

/** Connections of one site, mapping and outcome, and how many there are. */
type Kind = { site: string; mapping: number | null; outcome: string; count: number };

export type NumberedRecord = ConnectionRecord & { n: number };

/** Characters kept of a text that a stranger or a target had a hand in. */
const MAX_TEXT = 300;
/** Rows read at once. */
const CHUNK = 500;

/** The table of connections that have ended. */
export class Connections {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** All in one statement: five hundred of their own hold every visitor of the edge up for 12 ms (measured 2026-11-22). */
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

  /** The last `limit` of those that fit, oldest first, before the one numbered `before`. */
  page(limit: number, before: number | undefined, filter: ConnectionFilter): NumberedRecord[] {
    const fits = matcherOf(filter);
    const found: NumberedRecord[] = [];
    for (let under = before ?? Number.MAX_SAFE_INTEGER; ;) {
      const rows = this.#below(under, filter);
      for (const row of rows) {
        if (fits(row) && found.push(row) === limit) return found.toReversed();
      }
      const last = rows.at(-1);
      if (last === undefined || rows.length < CHUNK) return found.toReversed();
      under = last.n;
    }
  }

  #below(n: number, { outcome }: ConnectionFilter): NumberedRecord[] {
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

  /** The last refused one of each mapping. */
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
   * left. A flood of visitors, admitted or refused, thereby deletes only connections of its own kind.
   */
  #trim(most: number, slack: number): void {
    const { count } = this.#sql.exec<{ count: number }>("SELECT COUNT(*) AS count FROM connections").one();
    if (count <= most + slack) return;
    const kinds = this.#sql
      .exec<Kind>("SELECT site, mapping, outcome, COUNT(*) AS count FROM connections GROUP BY site, mapping, outcome")
      .toArray();
    const bySite = new Map<string, Kind[]>();
    for (const kind of kinds) bySite.set(kind.site, [...(bySite.get(kind.site) ?? []), kind]);
    const sites = [...bySite.values()];
    const shares = fairShares(
      sites.map((own) => own.reduce((sum, kind) => sum + kind.count, 0)),
      most,
    );
    for (const [index, own] of sites.entries()) {
      const kept = fairShares(
        own.map((kind) => kind.count),
        shares[index] ?? 0,
      );
      for (const [index, kind] of own.entries()) this.#forgetOldest(kind, kind.count - (kept[index] ?? 0));
    }
  }

  #forgetOldest({ site, mapping, outcome }: Kind, count: number): void {
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

  /** Deletes all but `most` once they are exceeded by `slack`, and what ended before `since` (milliseconds since 1970). */
  prune(most: number, since: number, slack = 0): void {
    this.#trim(most, slack);
    if (since <= 0) return;
    // They come in the order in which they end, as far as that matters here.
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

/** Whether a connection is one of those wanted. */
export function matcherOf(filter: ConnectionFilter): (record: ConnectionRecord) => boolean {
  const { since = 0, site, endpoint, mapping, visitor, outcome } = filter;
  const cidr = visitor === undefined ? undefined : known(parseCidr(visitor));
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

/** Of `ip:port`, or an address alone. */
function addressOf(visitor: string): Address | undefined {
  const split = splitHostPort(visitor);
  const address = split === undefined ? undefined : parseHostAddress(split);
  return address?.ok === true ? address.value : undefined;
}
