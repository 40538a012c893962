import { transports, type Endpoint } from "../../shared/address/endpoint.ts";
import { storedRule } from "../../shared/rule/fields.ts";
import type { MappingDraft } from "../../shared/rule/mapping-input.ts";
import { parseRule, registered, type Mapping, type Stamp } from "../../shared/rule/mapping.ts";
import type { Parsed } from "../../shared/rule/parsed.ts";
import type { Fault } from "../../shared/result.ts";
import { Reassignments, type Holder } from "./reassignments.ts";
import type { Sql, SqlValue } from "./sql.ts";

type Row = {
  id: number;
  rule: string;
  revision: number;
  created: number;
  created_by: string;
  changed: number;
  changed_by: string;
};

/** A rule that this version can't read: written by a newer version, or by an older one with a wider grammar. */
export type Unreadable = { id: number; endpoint: string; site: string; fault: Fault };

const COLUMNS = "id, rule, revision, created, created_by, changed, changed_by";

/** The table of mappings. A rule is stored as JSON of its draft; the table `ports` lists its public ports. */
export class Mappings {
  readonly #sql: Sql;
  readonly reassignments: Reassignments;

  constructor(sql: Sql) {
    this.#sql = sql;
    this.reassignments = new Reassignments(sql);
  }

  /** Lists all readable rules with their parsed fields. */
  rules(): Parsed<Mapping>[] {
    return this.#sql.exec<Row>(`SELECT ${COLUMNS} FROM mappings ORDER BY id`).toArray().flatMap(parseRow);
  }

  list(): Mapping[] {
    return this.rules().map(({ mapping }) => mapping);
  }

  /** The register's ETag. Differs after every change, because ids, revisions and times of change only grow. */
  get tag(): string {
    const row = this.#sql
      .exec<Record<"n" | "newest" | "changed" | "revisions", number>>(
        `SELECT COUNT(*) AS n, COALESCE(MAX(id), 0) AS newest, COALESCE(SUM(changed % 1000000007), 0) AS changed,
         COALESCE(SUM(revision), 0) AS revisions FROM mappings`,
      )
      .one();
    return [row.n, row.newest, row.revisions, row.changed].join("-");
  }

  ofSite(site: string): Mapping[] {
    return this.#sql
      .exec<Row>(`SELECT ${COLUMNS} FROM mappings WHERE site = ? ORDER BY id`, site)
      .toArray()
      .flatMap(parseRow)
      .map(({ mapping }) => mapping);
  }

  /** Lists the rules that are not in force because this version can't read them. */
  unreadable(): Unreadable[] {
    const rows = this.#sql.exec<Row & { endpoint: string; site: string }>(
      `SELECT endpoint, site, ${COLUMNS} FROM mappings ORDER BY id`,
    );
    return rows.toArray().flatMap(({ id, endpoint, site, rule }) => {
      const read = parseRule(JSON.parse(rule));
      return read.ok ? [] : [{ id, endpoint, site, fault: read.error }];
    });
  }

  /** Finds the rule with this exact endpoint, in canonical spelling. */
  find(endpoint: string): Parsed<Mapping> | undefined {
    return this.#sql
      .exec<Row>(`SELECT ${COLUMNS} FROM mappings WHERE endpoint = ?`, endpoint)
      .toArray()
      .flatMap(parseRow)[0];
  }

  /** Finds the mapping with this public port, as its one port or within its range. */
  byPort(port: number, transport: "tcp" | "udp"): Mapping | undefined {
    const rows = this.#sql.exec<Row>(
      `SELECT ${COLUMNS} FROM mappings WHERE id IN (SELECT mapping FROM ports WHERE transport = ? AND first <= ? AND last >= ?)`,
      transport,
      port,
      port,
    );
    return rows.toArray().flatMap(parseRow)[0]?.mapping;
  }

  add({ mapping: draft, endpoint }: Parsed<MappingDraft>, stamp: Stamp, revision: number): Mapping {
    const { id } = this.#sql
      .exec<{ id: number }>(
        `INSERT INTO mappings (endpoint, site, rule, revision, changed, changed_by, created, created_by)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`,
        ...columnValues(draft, stamp, revision),
        stamp.at,
        stamp.by,
      )
      .one();
    this.#addPorts(id, endpoint);
    this.reassignments.added({ id, endpoint: draft.endpoint, site: draft.site, by: stamp.by });
    return { ...draft, id, created: stamp, changed: stamp, revision };
  }

  /** Inserts an imported mapping with its original id. */
  restore(
    id: number,
    { mapping: draft, endpoint }: Parsed<MappingDraft>,
    created: Stamp,
    changed: Stamp,
    revision: number,
  ): void {
    this.#sql.exec(
      `INSERT INTO mappings (id, endpoint, site, rule, revision, created, created_by, changed, changed_by)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      id,
      draft.endpoint,
      draft.site,
      JSON.stringify(storedRule(draft)),
      revision,
      created.at,
      created.by,
      changed.at,
      changed.by,
    );
    this.#addPorts(id, endpoint);
  }

  /** Replaces the rule of a mapping, which keeps its id. */
  change(id: number, { mapping: draft, endpoint }: Parsed<MappingDraft>, stamp: Stamp, revision: number): void {
    const before = this.#holder(id);
    if (before !== undefined)
      this.reassignments.changed(before, { ...before, endpoint: draft.endpoint, site: draft.site }, stamp.at);
    this.#sql.exec(
      "UPDATE mappings SET endpoint = ?, site = ?, rule = ?, revision = ?, changed = ?, changed_by = ? WHERE id = ?",
      ...columnValues(draft, stamp, revision),
      id,
    );
    this.#sql.exec("DELETE FROM ports WHERE mapping = ?", id);
    this.#addPorts(id, endpoint);
  }

  /** Removes a mapping. `now`: milliseconds since 1970. */
  remove(id: number, now: number): void {
    const before = this.#holder(id);
    if (before !== undefined) this.reassignments.removed(before, now);
    this.#sql.exec("DELETE FROM mappings WHERE id = ?", id);
    this.#sql.exec("DELETE FROM ports WHERE mapping = ?", id);
  }

  #holder(id: number): Holder | undefined {
    return this.#sql
      .exec<Holder>('SELECT id, endpoint, site, created_by AS "by" FROM mappings WHERE id = ?', id)
      .toArray()[0];
  }

  #addPorts(id: number, endpoint: Endpoint): void {
    if (endpoint.kind !== "port") return;
    for (const transport of transports(endpoint)) {
      this.#sql.exec(
        "INSERT INTO ports (mapping, transport, first, last) VALUES (?, ?, ?, ?)",
        id,
        transport,
        endpoint.first,
        endpoint.last,
      );
    }
  }
}

/** Returns the values that a change writes, in the order of its columns. */
function columnValues(draft: MappingDraft, { at, by }: Stamp, revision: number): SqlValue[] {
  return [draft.endpoint, draft.site, JSON.stringify(storedRule(draft)), revision, at, by];
}

/**
 * Parses a row's rule, so that fields added since have their default. A rule that only a newer Worker understands is left out,
 * because it may contain restrictions that this version would ignore.
 */
function parseRow(row: Row): Parsed<Mapping>[] {
  const rule = parseRule(JSON.parse(row.rule));
  if (!rule.ok) {
    console.error(`mapping ${row.id} is not in force: ${rule.error.message}`);
    return [];
  }
  const { id, revision } = row;
  const created = { at: row.created, by: row.created_by };
  const changed = { at: row.changed, by: row.changed_by };
  return [registered(rule.value, { id, revision, created, changed })];
}
