import { type Address } from "./address.ts";
import { allows, cidrContains, isWide, parseCidr, type Cidr } from "./cidr.ts";
import type { Failure } from "./errors.ts";
import { admits, type Grant } from "./grant.ts";
import type { Mapping } from "./mapping.ts";
import { all, known } from "./result.ts";

/** Who wants through a mapping, and how it comes. */
export type Applicant = {
  address: Address;
  /** "port": a public port or host; "token": by a token that has been found to cover the endpoint. */
  via: "public" | "token";
  /** Milliseconds since 1970. */
  now: number;
};

export type Verdict = { ok: true; grant: Grant | undefined } | { ok: false; failure: Failure };

/**
 * What a mapping's own rules say: the same at the Worker, which may only refuse earlier, and in the relay, which decides.
 * A grant opens what `allow` and `access` keep closed; `deny` and expiry it does not.
 */
export function decide(mapping: Mapping, grants: readonly Grant[], applicant: Applicant): Verdict {
  const refuse = (code: Failure["code"], reason: string): Verdict => ({ ok: false, failure: { code, reason } });
  const { address, via, now } = applicant;
  if (mapping.expires !== null && now >= mapping.expires) return refuse("expired", "the mapping has expired");
  const { allow, deny } = sourcesOf(mapping);
  if (!allows([], deny, address)) return refuse("denied", `${address.text} is on the deny list`);
  const grant = admits(grants, mapping.id, address, now);
  if (grant !== undefined) return { ok: true, grant };
  if (via === "public" && mapping.access === "token") return refuse("denied", "this endpoint needs a token or a grant");
  if (!allows(allow, [], address)) return refuse("denied", `${address.text} is not on the allow list`);
  return { ok: true, grant: undefined };
}

/** Whether a mapping's list names the network of this address: its owner knows it, whoever else may come. */
export function isListed(mapping: Mapping, address: Address): boolean {
  return sourcesOf(mapping).allow.some((cidr) => !isWide(cidr) && cidrContains(cidr, address));
}

/** A mapping and the grants that name it. */
export type Rule = { readonly mapping: Mapping; readonly grants: readonly Grant[] };

/** Whether two rules let the same visitors in, as many and as fast. Tokens open endpoints one by one, so two that ask for one never do. */
export function isSameRule(a: Rule, b: Rule): boolean {
  if (a.mapping.id === b.mapping.id) return true;
  if (a.mapping.access === "token" || b.mapping.access === "token") return false;
  return admissionOf(a) === admissionOf(b);
}

/** By the mapping that a revision is: every request at a host with prefixes asks for it. */
const admissions = new WeakMap<Mapping, string>();

function admissionOf({ mapping, grants }: Rule): string {
  const { allow, deny, expires, maxStreams, newPerSecond, bytesPerSecond } = mapping;
  const before = admissions.get(mapping);
  const own = before ?? JSON.stringify([allow, deny, expires, maxStreams, newPerSecond, bytesPerSecond]);
  if (before === undefined) admissions.set(mapping, own);
  return grants.length === 0 ? own : JSON.stringify([own, grants.map(({ id }) => id)]);
}

type Sources = { readonly allow: readonly Cidr[]; readonly deny: readonly Cidr[] };

/** By the object that a revision of a mapping is: a flood of visitors must not have the same lists parsed again and again. */
const parsed = new WeakMap<Mapping, Sources>();

function sourcesOf(mapping: Mapping): Sources {
  const before = parsed.get(mapping);
  if (before !== undefined) return before;
  const sources = { allow: known(all(mapping.allow, parseCidr)), deny: known(all(mapping.deny, parseCidr)) };
  parsed.set(mapping, sources);
  return sources;
}
