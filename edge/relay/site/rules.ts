import { endpointKeys, parseEndpoint } from "../../../shared/address/endpoint.ts";
import type { Grant } from "../../../shared/rule/grant.ts";
import { storedMapping, type Mapping } from "../../../shared/rule/mapping.ts";
import { narrows } from "../../../shared/rule/policy.ts";
import { known } from "../../../shared/result.ts";
import type { SiteRules } from "../../registry/types.ts";
import type { Memory } from "./memory.ts";

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
  #rules: SiteRules | undefined;
  #byEndpoint = new Map<string, Mapping>();
  #byId = new Map<number, Mapping>();

  constructor(memory: Memory) {
    this.#memory = memory;
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
    const { mappings } = this.#index(rules);
    const kept = new Map(mappings.map((mapping) => [mapping.id, mapping]));
    const grants = new Set(rules.grants.map((grant) => grant.id));
    return {
      removed: before.mappings.filter((mapping) => !sameReach(mapping, kept.get(mapping.id))),
      narrowed: before.mappings.flatMap((mapping) => {
        const now = kept.get(mapping.id);
        return now !== undefined && sameReach(mapping, now) && narrows(mapping, now) ? [now] : [];
      }),
      revoked: rules.revoked.filter((jti) => !before.revoked.includes(jti)),
      grants: before.grants.filter((grant) => !grants.has(grant.id)).map((grant) => grant.id),
    };
  }

  #load(): SiteRules {
    if (this.#rules !== undefined) return this.#rules;
    const stored = this.#memory.get("rules");
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
