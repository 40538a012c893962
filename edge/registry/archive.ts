import * as z from "zod";
import { parseRule } from "../../shared/rule/mapping.ts";
import { unwrap } from "../../shared/result.ts";
import { VERSION } from "../../shared/wire/version.ts";
import { done, refused, type Outcome, type Problem } from "../problem.ts";
import { findContradictions } from "./archive-check.ts";
import { ROWS } from "./archive-rows.ts";
import { publicKey } from "./keys.ts";
import type { Sql, SqlValue } from "./sql.ts";
import type { ImportedView } from "../../shared/rule/api.ts";
import type { Actor } from "./actor.ts";
import type { Store } from "./store.ts";

/** Version of the document's format; raised when an older program could no longer read it. */
const FORMAT = 2;

type Table = keyof typeof ROWS;
const TABLES = Object.keys(ROWS) as Table[];

/**
 * The document that `sallyport export` writes: all that an edge can't recreate, except the private halves of keys. Connections
 * are left out, being many and short-lived; `ports` is derived from the mappings. Grants carry a hash of their link, so links that
 * were already sent stay valid.
 */
export const Archive = z.strictObject({
  sallyport: z.literal("export"),
  /** Format 1 has no counts in its audit, and no `vacated` and `reassigned` tables. */
  format: z.union([z.literal(1), z.literal(FORMAT)]),
  version: z.string().max(100),
  at: z.iso.datetime(),
  tables: z
    .strictObject({
      urls: z.array(ROWS.urls),
      keys: z.array(ROWS.keys),
      sites: z.array(ROWS.sites),
      mappings: z.array(ROWS.mappings),
      vacated: z.array(ROWS.vacated).default([]),
      reassigned: z.array(ROWS.reassigned).default([]),
      uses: z.array(ROWS.uses),
      refused: z.array(ROWS.refused),
      grants: z.array(ROWS.grants),
      tokens: z.array(ROWS.tokens),
      spent: z.array(ROWS.spent),
      usage: z.array(ROWS.usage),
      audit: z.array(ROWS.audit),
    })
    .superRefine((tables, context) => {
      for (const { path, message } of findContradictions(tables)) context.addIssue({ code: "custom", path, message });
    }),
});
export type Archive = z.infer<typeof Archive>;

/** Exports all that the registry keeps, without private keys. */
export function exportArchive(sql: Sql, now: number): Archive {
  const rows = (table: Table): unknown[] => {
    const columns = Object.keys(ROWS[table].shape).join(", ");
    return sql.exec<Record<string, SqlValue>>(`SELECT ${columns} FROM ${table} ORDER BY rowid`).toArray();
  };
  const tables = Object.fromEntries(TABLES.map((table) => [table, rows(table)])) as Archive["tables"];
  const keys = tables.keys.map((row) => ({ ...row, jwk: publicKey(row.jwk) }));
  const at = new Date(now).toISOString();
  return { sallyport: "export", format: FORMAT, version: VERSION, at, tables: { ...tables, keys } };
}

/**
 * Imports the export of another registry, which the schema above has already checked, into a registry without sites. The other
 * registry's tokens stay valid, because its public keys are imported; new ones are signed with a key of this edge. Its URLs become
 * former URLs of this edge.
 */
export function importArchive(
  store: Store,
  sql: Sql,
  { tables, version }: Archive,
  actor: Actor,
): Outcome<ImportedView> {
  const [site] = store.sites.list();
  if (site !== undefined) return refused(notEmpty(site.name));
  for (const { url } of tables.urls) insert(sql, "urls", { url, since: 0 });
  for (const row of tables.sites) {
    sql.exec("DELETE FROM sites WHERE name = ?", row.name);
    insert(sql, "sites", row);
  }
  for (const { id, rule, revision, created, created_by, changed, changed_by } of tables.mappings) {
    const draft = unwrap(parseRule(JSON.parse(rule)));
    store.mappings.restore(id, draft, { at: created, by: created_by }, { at: changed, by: changed_by }, revision);
  }
  for (const row of tables.keys) insert(sql, "keys", { ...row, jwk: publicKey(row.jwk) });
  for (const table of [
    "vacated",
    "reassigned",
    "uses",
    "refused",
    "grants",
    "tokens",
    "spent",
    "usage",
    "audit",
  ] as const)
    for (const row of tables[table]) insert(sql, table, row);
  const { length: mappings } = tables.mappings;
  const sites = tables.sites.filter(({ removed }) => removed === null).length;
  const detail = `${sites} sites, ${mappings} mappings, of version ${version}`;
  store.journal.audit(actor, "import", "registry", detail);
  return done({ sites, mappings, tokens: tables.tokens.length, grants: tables.grants.length });
}

/** Inserts a row unless it exists: the importing admin's token and this edge's URL stay as they are. */
function insert(sql: Sql, table: Table, row: Record<string, SqlValue>): void {
  const columns = Object.keys(row);
  const placeholders = columns.map(() => "?").join(", ");
  sql.exec(
    `INSERT INTO ${table} (${columns.join(", ")}) VALUES (${placeholders}) ON CONFLICT DO NOTHING`,
    ...Object.values(row),
  );
}

function notEmpty(site: string): Problem {
  return {
    status: 409,
    code: "registry-not-empty",
    title: "Registry not empty",
    detail: `This edge has sites already, such as ${site}.`,
    fix: "Import into a new edge. To copy rules to an edge in use: sallyport map export --format toml, then sallyport map apply.",
  };
}
