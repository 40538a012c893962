import type { Grant } from "../../../shared/rule/grant.ts";
import { storedMapping, type Mapping } from "../../../shared/rule/mapping.ts";
import { narrows } from "../../../shared/rule/policy.ts";
import type { Parsed } from "../../../shared/rule/parsed.ts";
import type { SiteRules } from "../../registry/types.ts";
import { mappedEndpoints, type MappedEndpoint } from "./mapped-endpoint.ts";
import type { Memory } from "./memory.ts";

/** The rules as this relay has read them. */
export type ReadRules = Omit<SiteRules, "mappings"> & { readonly mappings: readonly Parsed<Mapping>[] };

const NO_RULES: SiteRules = { site: "", revision: -1, mappings: [], grants: [], revoked: [] };

/** What new rules have taken away. `narrowed`: mappings as they are now, which may keep out visitors whom they let in before. */
export type Changes = {
  readonly removed: readonly Mapping[];
  readonly narrowed: readonly Mapping[];
  readonly revoked: readonly string[];
  readonly grants: readonly string[];
};

/** The rules of a site as its relay holds them: in its memory for the next instance, parsed for this one. */
export class Rules {
  readonly #memory: Memory;
  #rules: ReadRules | undefined;
  #byEndpoint = new Map<string, MappedEndpoint>();
  #byId = new Map<number, Parsed<Mapping>>();

  constructor(memory: Memory) {
    this.#memory = memory;
  }

  /** Revision held; -1 when this relay has never had rules, and then it refuses everything. */
  get revision(): number {
    return this.#load().revision;
  }

  get current(): ReadRules {
    return this.#load();
  }

  /** What is mapped to a concrete endpoint (`8080/tcp`, a URL, `SITE/NAME`). */
  at(key: string): MappedEndpoint | undefined {
    this.#load();
    return this.#byEndpoint.get(key);
  }

  byId(id: number): Parsed<Mapping> | undefined {
    this.#load();
    return this.#byId.get(id);
  }

  /** Since when a mapping has its endpoint, in milliseconds since 1970; 0: no other mapping ever had it. */
  since(id: number): number {
    return this.#load().reassigned?.[id] ?? 0;
  }

  grant(id: string): Grant | undefined {
    return this.#load().grants.find((grant) => grant.id === id);
  }

  isRevoked(jti: string): boolean {
    return this.#load().revoked.includes(jti);
  }

  /** Takes newer rules; answers what was allowed before and is no more, or null when they are not newer. */
  replace(rules: SiteRules): Changes | null {
    const before = this.#load();
    if (rules.revision <= before.revision) return null;
    // The registry has just written them: the disk has room again.
    this.#memory.tryAgain();
    this.#memory.put("rules", JSON.stringify(rules));
    this.#index(rules);
    const grants = new Set(rules.grants.map((grant) => grant.id));
    return {
      removed: before.mappings
        .map(({ mapping }) => mapping)
        .filter((mapping) => !sameEndpointAndTarget(mapping, this.#byId.get(mapping.id)?.mapping)),
      narrowed: before.mappings.flatMap(({ mapping }) => {
        const now = this.#byId.get(mapping.id)?.mapping;
        return now !== undefined && sameEndpointAndTarget(mapping, now) && narrows(mapping, now) ? [now] : [];
      }),
      revoked: rules.revoked.filter((jti) => !before.revoked.includes(jti)),
      grants: before.grants.filter((grant) => !grants.has(grant.id)).map((grant) => grant.id),
    };
  }

  #load(): ReadRules {
    if (this.#rules !== undefined) return this.#rules;
    const stored = this.#memory.get("rules");
    return this.#index(stored === undefined ? NO_RULES : (JSON.parse(stored) as SiteRules));
  }

  /** Rules come from disk or from the registry, written by another version perhaps: those we can't read are left out. */
  #index({ mappings, ...others }: SiteRules): ReadRules {
    const rules = { ...others, mappings: mappings.flatMap(parseRule) };
    this.#rules = rules;
    this.#byId = new Map(rules.mappings.map((rule) => [rule.mapping.id, rule]));
    this.#byEndpoint = new Map(rules.mappings.flatMap(mappedEndpoints));
    return rules;
  }
}

/** Whether what is open under the old rule may stay open under the new one. */
function sameEndpointAndTarget(before: Mapping, after: Mapping | undefined): boolean {
  return after !== undefined && after.endpoint === before.endpoint && after.target === before.target;
}

function parseRule(stored: Mapping): Parsed<Mapping>[] {
  const rule = storedMapping(stored);
  if (rule.ok) return [rule.value];
  console.error(`mapping ${stored.id}, ${stored.endpoint}, is left out: ${rule.error.message}`);
  return [];
}
