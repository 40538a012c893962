import { type Address } from "./address.ts";
import { allows, parseCidr } from "./cidr.ts";
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
  const allow = known(all(mapping.allow, parseCidr));
  const deny = known(all(mapping.deny, parseCidr));
  if (!allows([], deny, address)) return refuse("denied", `${address.text} is on the deny list`);
  const grant = admits(grants, mapping.id, address, now);
  if (grant !== undefined) return { ok: true, grant };
  if (via === "public" && mapping.access === "token") return refuse("denied", "this endpoint needs a token or a grant");
  if (!allows(allow, [], address)) return refuse("denied", `${address.text} is not on the allow list`);
  return { ok: true, grant: undefined };
}
