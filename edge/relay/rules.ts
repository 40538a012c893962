import { endpointKeys, parseEndpoint } from "../../shared/endpoint.ts";
import type { Grant } from "../../shared/grant.ts";
import { storedMapping, type Mapping } from "../../shared/mapping.ts";
import { known } from "../../shared/result.ts";
import type { Sql } from "../registry/sql.ts";
import type { SiteRules } from "../registry/types.ts";

const NO_RULES: SiteRules = { site: "", revision: -1, mappings: [], grants: [], revoked: [] };

/** The rules of a site as its relay holds them: in SQLite for the next instance, parsed for this one. */
export class Rules {
  readonly #sql: Sql;
  #rules: SiteRules | undefined;
  #byEndpoint = new Map<string, Mapping>();
  #byId = new Map<number, Mapping>();

  constructor(sql: Sql) {
    this.#sql = sql;
    sql.exec("CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)");
  }

  /** Revision held; -1 when this relay has never had rules, and then it refuses everything. */
  get revision(): number {
    return this.#load().revision;
  }

  get current(): SiteRules {
    return this.#load();
  }

  /** The mapping that occupies an endpoint key (`8080/tcp`, a URL, `SITE/NAME`). */
  at(key: string): Mapping | undefined {
    this.#load();
    return this.#byEndpoint.get(key);
  }

  byId(id: number): Mapping | undefined {
    this.#load();
    return this.#byId.get(id);
  }

  grant(id: string): Grant | undefined {
    return this.#load().grants.find((grant) => grant.id === id);
  }

  isRevoked(jti: string): boolean {
    return this.#load().revoked.includes(jti);
  }

  /** Takes newer rules; answers what was allowed before and is no more, or null when they are not newer. */
  replace(rules: SiteRules): { removed: Mapping[]; revoked: string[]; grants: string[] } | null {
    const before = this.#load();
    if (rules.revision <= before.revision) return null;
    this.put("rules", JSON.stringify(rules));
    const { mappings } = this.#index(rules);
    const kept = new Map(mappings.map((mapping) => [mapping.id, mapping]));
    const grants = new Set(rules.grants.map((grant) => grant.id));
    return {
      removed: before.mappings.filter((mapping) => !sameReach(mapping, kept.get(mapping.id))),
      revoked: rules.revoked.filter((jti) => !before.revoked.includes(jti)),
      grants: before.grants.filter((grant) => !grants.has(grant.id)).map((grant) => grant.id),
    };
  }

  get(key: string): string | undefined {
    const row = this.#sql.exec<{ value: string }>("SELECT value FROM meta WHERE key = ?", key).toArray()[0];
    return row?.value;
  }

  put(key: string, value: string): void {
    this.#sql.exec(
      "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
      key,
      value,
    );
  }

  #load(): SiteRules {
    if (this.#rules !== undefined) return this.#rules;
    const stored = this.get("rules");
    return this.#index(stored === undefined ? NO_RULES : (JSON.parse(stored) as SiteRules));
  }

  /** Rules come from disk or from the registry, written by another version perhaps: those we can't read are left out. */
  #index({ mappings, ...others }: SiteRules): SiteRules {
    const rules = { ...others, mappings: mappings.flatMap(readable) };
    this.#rules = rules;
    this.#byId = new Map(rules.mappings.map((mapping) => [mapping.id, mapping]));
    this.#byEndpoint = new Map();
    for (const mapping of rules.mappings) {
      for (const key of endpointKeys(known(parseEndpoint(mapping.endpoint)))) this.#byEndpoint.set(key, mapping);
    }
    return rules;
  }
}

/** Whether what is open under the old rule may stay open under the new one. */
function sameReach(before: Mapping, after: Mapping | undefined): boolean {
  return after !== undefined && after.endpoint === before.endpoint && after.target === before.target;
}

function readable(stored: Mapping): Mapping[] {
  const mapping = storedMapping(stored);
  if (mapping.ok) return [mapping.value];
  console.error(`mapping ${stored.id}, ${stored.endpoint}, is left out: ${mapping.error.message}`);
  return [];
}
