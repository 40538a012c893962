import type { Address } from "./address.ts";
import { allows, type Cidr, parseCidr } from "./cidr.ts";
import { type Endpoint, parseEndpoint } from "./endpoint.ts";
import type { Failure } from "./errors.ts";
import { admits, type Grant } from "./grant.ts";
import { isExpired, type Mapping } from "./mapping.ts";
import { all, known } from "./result.ts";
import { formatTarget, parseTarget, type Target, targetAt } from "./target.ts";

/** A mapping with its words parsed once, as those need it who decide on every connection. */
export interface Rule {
  readonly mapping: Mapping;
  readonly endpoint: Endpoint;
  readonly target: Target;
  readonly allow: readonly Cidr[];
  readonly deny: readonly Cidr[];
}

export function ruleOf(mapping: Mapping): Rule {
  return {
    mapping,
    endpoint: known(parseEndpoint(mapping.endpoint)),
    target: known(parseTarget(mapping.target)),
    allow: known(all(mapping.allow, parseCidr)),
    deny: known(all(mapping.deny, parseCidr)),
  };
}

/** How a visitor was let in, or what to tell it. */
export type Admission =
  | { readonly ok: true; readonly grant: string | undefined }
  | { readonly ok: false; readonly failure: Failure };

/**
 * Whether a visitor from this address may use the mapping now (milliseconds since 1970). `hasToken` says that it showed
 * a token for this endpoint. `deny` binds everyone; a grant stands in for a token, or for a place in `allow`.
 */
export function admit(rule: Rule, grants: readonly Grant[], address: Address, hasToken: boolean, now: number): Admission {
  const { mapping, allow, deny } = rule;
  if (isExpired(mapping, now)) return refuse("expired", `${mapping.endpoint} has expired`);
  if (!allows([], deny, address)) return refuse("denied", `${address.text} is in the mapping's deny list`);
  const grant = admits(grants, mapping.id, address, now);
  if (grant) return { ok: true, grant: grant.id };
  if (mapping.access === "token" && !hasToken) return refuse("denied", `${mapping.endpoint} needs a token or a grant`);
  if (!allows(allow, [], address)) return refuse("denied", `${address.text} is not in the mapping's allow list`);
  return { ok: true, grant: undefined };
}

/** The text of what to dial for a visitor of `port`; for hosts and services the port doesn't matter. */
export function targetText({ endpoint, target }: Rule, port: number): string {
  if (endpoint.kind !== "port" || target.kind !== "port") return formatTarget(target);
  return formatTarget(targetAt(target, endpoint, port));
}

function refuse(code: Failure["code"], reason: string): Admission {
  return { ok: false, failure: { code, reason } };
}
