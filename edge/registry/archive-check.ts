import { parseRule } from "../../shared/rule/mapping.ts";
import type { Tables } from "./archive-rows.ts";
import { EndpointClaims } from "./endpoint-claims.ts";

/** A contradiction between rows, with its path in the document. */
export type Contradiction = { path: [table: string, row: number, column: string]; message: string };

/** Columns whose values must be unique within their table. */
const KEYS = [
  ["urls", "url"],
  ["keys", "kid"],
  ["sites", "name"],
  ["mappings", "id"],
  ["reassigned", "mapping"],
  ["uses", "mapping"],
  ["refused", "mapping"],
  ["grants", "id"],
  ["grants", "link"],
  ["tokens", "jti"],
  ["spent", "jti"],
] as const;

/** Finds contradictions between rows that are valid on their own. */
export function findContradictions(tables: Tables): Contradiction[] {
  const found: Contradiction[] = [];
  for (const [table, column] of KEYS) {
    const rows: readonly Readonly<Record<string, unknown>>[] = tables[table];
    const values = rows.map((row) => row[column]);
    found.push(
      ...duplicateIndexes(values).map((row): Contradiction => ({
        path: [table, row, column],
        message: "is a duplicate",
      })),
    );
  }
  const vacated = tables.vacated.map(({ mapping, endpoint }) => `${mapping} ${endpoint}`);
  found.push(
    ...duplicateIndexes(vacated).map((row): Contradiction => ({
      path: ["vacated", row, "mapping"],
      message: "is a duplicate",
    })),
  );
  const days = tables.usage.map(({ site, day }) => `${site} ${day}`);
  found.push(
    ...duplicateIndexes(days).map((row): Contradiction => ({ path: ["usage", row, "day"], message: "is a duplicate" })),
  );
  return [...found, ...conflicts(tables)];
}

/** Finds mappings whose site is missing, or whose endpoint overlaps with an earlier one. */
function conflicts({ mappings, sites }: Tables): Contradiction[] {
  const siteNames = new Set(sites.flatMap(({ name, removed }) => (removed === null ? [name] : [])));
  const claims = new EndpointClaims();
  return mappings.flatMap(({ id, rule }, row): Contradiction[] => {
    const parsed = parseRule(JSON.parse(rule));
    if (!parsed.ok) return [];
    const { endpoint, site } = parsed.value.mapping;
    const existing = claims.claim(parsed.value.endpoint, `mapping ${id}`);
    const ruleError = (message: string): Contradiction => ({ path: ["mappings", row, "rule"], message });
    return [
      ...(siteNames.has(site) ? [] : [ruleError(`mapping ${id}: there is no site ${JSON.stringify(site)}`)]),
      ...(existing === undefined ? [] : [ruleError(`mapping ${id}: ${endpoint} overlaps with ${existing}`)]),
    ];
  });
}

/** Returns the indexes of values that occurred earlier. */
function duplicateIndexes(values: readonly unknown[]): number[] {
  const seen = new Set<unknown>();
  return values.flatMap((value, index) => (seen.size === seen.add(value).size ? [index] : []));
}
