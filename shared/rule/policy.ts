import { type Address } from "../address/address.ts";
import { allows, cidrContains, isWide, parseCidr, type Cidr } from "../address/cidr.ts";
import type { Keep } from "../wire/control.ts";
import type { Failure } from "../wire/errors.ts";
import { admits, type Grant } from "./grant.ts";
import type { Mapping } from "./mapping.ts";
import { all, known } from "../result.ts";

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
  const grant = admits(grants, mapping.id, address, now);
  const reason = whyClosed(mapping, { address, via, granted: grant !== undefined });
  return reason === null ? { ok: true, grant } : refuse("denied", reason);
}

/** Whether a stream that is open stays open under the rule as it is now. `granted`: a grant that has not ended let it in. */
export function staysOpen(
  rule: Keep,
  visitor: { address: Address; via: "public" | "token"; granted: boolean },
): boolean {
  return whyClosed(rule, visitor) === null;
}

/** Whether a changed rule may close the door to visitors whom the former one let in. */
export function narrows(before: Keep, now: Keep): boolean {
  if (before.access === "public" && now.access === "token") return true;
  if (now.deny.some((each) => !before.deny.includes(each))) return true;
  if (now.maxStreams !== null && (before.maxStreams === null || now.maxStreams < before.maxStreams)) return true;
  if (now.allow.length === 0) return false;
  return before.allow.length === 0 || before.allow.some((each) => !now.allow.includes(each));
}

/** Why the lists and the access of a rule keep a visitor out; null when they don't. */
function whyClosed(
  rule: Pick<Keep, "access" | "allow" | "deny">,
  { address, via, granted }: { address: Address; via: Applicant["via"]; granted: boolean },
): string | null {
  const { allow, deny } = sourcesOf(rule);
  if (!allows([], deny, address)) return `${address.text} is on the deny list`;
  if (granted) return null;
  if (via === "public" && rule.access === "token") return "this endpoint needs a token or a grant";
  return allows(allow, [], address) ? null : `${address.text} is not on the allow list`;
}

/** Whether a mapping's list names the network of this address: its owner knows it, whoever else may come. */
export function isListed(mapping: Mapping, address: Address): boolean {
  return sourcesOf(mapping).allow.some((cidr) => !isWide(cidr) && cidrContains(cidr, address));
}

type Sources = { readonly allow: readonly Cidr[]; readonly deny: readonly Cidr[] };

/** By the object that a revision of a mapping is: a flood of visitors must not have the same lists parsed again and again. */
const parsed = new WeakMap<object, Sources>();

function sourcesOf(rule: Pick<Keep, "allow" | "deny">): Sources {
  const before = parsed.get(rule);
  if (before !== undefined) return before;
  const sources = { allow: known(all(rule.allow, parseCidr)), deny: known(all(rule.deny, parseCidr)) };
  parsed.set(rule, sources);
  return sources;
}
