import { type Cidr, parseCidr } from "../address/cidr.ts";
import { type Endpoint, parseEndpoint } from "../address/endpoint.ts";
import { parseTarget, type Target, targetAt } from "../address/target.ts";
import { all, unwrap } from "../result.ts";
import type { MappingDraft } from "./mapping-input.ts";

/** Where visitors may come from, and from where they may not. An empty `allow` is every source. */
export type Sources = { readonly allow: readonly Cidr[]; readonly deny: readonly Cidr[] };

/** A rule whose texts are parsed, once, where it enters a program. `mapping` has the texts, which are stored, sent and shown. */
export type Parsed<Rule extends MappingDraft> = {
  readonly mapping: Rule;
  readonly endpoint: Endpoint;
  readonly target: Target;
  readonly sources: Sources;
};

/** Parses the texts of a rule that the grammar has checked before: it comes from another part of the edge. Throws on others. */
export function parsed<Rule extends MappingDraft>(mapping: Rule): Parsed<Rule> {
  const endpoint = unwrap(parseEndpoint(mapping.endpoint));
  return { mapping, endpoint, target: unwrap(parseTarget(mapping.target)), sources: sourcesOf(mapping) };
}

/** Parses the sources of a rule that the grammar has checked before. Throws on others. */
export function sourcesOf({ allow, deny }: Pick<MappingDraft, "allow" | "deny">): Sources {
  return { allow: unwrap(all(allow, parseCidr)), deny: unwrap(all(deny, parseCidr)) };
}

/** Returns the target for a concrete endpoint of a rule: port for port if it is a range, else the one target. */
export function targetBehind({ endpoint, target }: Parsed<MappingDraft>, concrete: Endpoint): Target {
  // Only ranges, and ports of both transports, have concrete endpoints beside themselves.
  if (concrete === endpoint || concrete.kind !== "port" || endpoint.kind !== "port" || target.kind !== "port")
    return target;
  return targetAt(target, endpoint, concrete.first);
}
