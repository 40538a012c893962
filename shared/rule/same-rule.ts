import { FIELDS, valueOf } from "./fields.ts";
import type { Grant } from "./grant.ts";
import type { Mapping } from "./mapping.ts";

/** A mapping and the grants that name it. */
export type Rule = { readonly mapping: Mapping; readonly grants: readonly Grant[] };

/**
 * Whether two rules let in the same visitors, as many and as fast. False if both need a token, because tokens name single
 * endpoints.
 */
export function isSameRule(a: Rule, b: Rule): boolean {
  if (a.mapping.id === b.mapping.id) return true;
  if (a.mapping.access === "token" || b.mapping.access === "token") return false;
  return admissionOf(a) === admissionOf(b);
}

/** By the mapping that a revision is: every request at a host with prefixes asks for it. */
const admissions = new WeakMap<Mapping, string>();

function admissionOf({ mapping, grants }: Rule): string {
  const before = admissions.get(mapping);
  const own =
    before ?? JSON.stringify(FIELDS.filter(({ admits }) => admits === true).map((field) => valueOf(mapping, field)));
  if (before === undefined) admissions.set(mapping, own);
  return grants.length === 0 ? own : JSON.stringify([own, grants.map(({ id }) => id)]);
}
