import type { Grant } from "../../../shared/rule/grant.ts";
import { storedMapping, type Mapping } from "../../../shared/rule/mapping.ts";
import { narrows } from "../../../shared/rule/policy.ts";
import type { Parsed } from "../../../shared/rule/parsed.ts";
import type { SiteRules } from "../../registry/types.ts";
import { mappedEndpoints, type MappedEndpoint } from "./mapped-endpoint.ts";
import type { Memory } from "./memory.ts";

/** A site's rules with their mappings parsed. */
export type ReadRules = Omit<SiteRules, "mappings"> & { readonly mappings: readonly Parsed<Mapping>[] };

const NO_RULES: SiteRules = { site: "", revision: -1, mappings: [], grants: [], revoked: [] };

/** What new rules no longer allow. `narrowed`: mappings as they are now, which may refuse visitors that they admitted before. */
export type Changes = {
  readonly removed: readonly Mapping[];
  readonly narrowed: readonly Mapping[];
  readonly revoked: readonly string[];
  readonly grants: readonly string[];
};

/** The rules of a site: stored as text for the next instance, and parsed for this one. */
export class Rules {
  readonly #memory: Memory;
  #rules: ReadRules | undefined;
  #byEndpoint = new Map<string, MappedEndpoint>();
  #byId = new Map<number, Parsed<Mapping>>();

  constructor(memory: Memory) {
    this.#memory = memory;
  }

  /** Revision of the rules; -1 when this relay has never had any and refuses all visitors. */
  get revision(): number {
    return this.#load().revision;
  }

  get current(): ReadRules {
    return this.#load();
  }

  /** Returns what is mapped to a concrete endpoint (`8080/tcp`, a URL, `SITE/NAME`). */
  at(key: string): MappedEndpoint | undefined {
    this.#load();
    return this.#byEndpoint.get(key);
  }

  byId(id: number): Parsed<Mapping> | undefined {
    this.#load();
    return this.#byId.get(id);
  }

  /** Returns since when a mapping has had its endpoint, in milliseconds since 1970; 0: no other mapping ever had it. */
  since(id: number): number {
    return this.#load().reassigned?.[id] ?? 0;
  }

  grant(id: string): Grant | undefined {
    return this.#load().grants.find((grant) => grant.id === id);
  }

  isRevoked(jti: string): boolean {
    return this.#load().revoked.includes(jti);
  }

  /** Replaces the rules by newer ones; returns what they no longer allow, or null when they are not newer. */
  replace(rules: SiteRules): Changes | null {
    const before = this.#load();
    if (rules.revision <= before.revision) return null;
    // The registry has just written these rules, so the disk has free space again.
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

  /** Indexes rules from the disk or the registry. Another version may have written them: mappings that can't be parsed are left out. */
  #index({ mappings, ...others }: SiteRules): ReadRules {
    const rules = { ...others, mappings: mappings.flatMap(parseRule) };
    this.#rules = rules;
    this.#byId = new Map(rules.mappings.map((rule) => [rule.mapping.id, rule]));
    this.#byEndpoint = new Map(rules.mappings.flatMap(mappedEndpoints));
    return rules;
  }
}

/** Whether streams of the old mapping may go on under the new one. */
function sameEndpointAndTarget(before: Mapping, after: Mapping | undefined): boolean {
  return after !== undefined && after.endpoint === before.endpoint && after.target === before.target;
}

function parseRule(stored: Mapping): Parsed<Mapping>[] {
  const rule = storedMapping(stored);
  if (rule.ok) return [rule.value];
  console.error(`mapping ${stored.id}, ${stored.endpoint}, is left out: ${rule.error.message}`);
  return [];
}
