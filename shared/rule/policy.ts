import { type Address } from "../address/address.ts";
import { allows, cidrContains, isWide } from "../address/cidr.ts";
import type { KeepRule } from "../wire/control.ts";
import type { Failure } from "../wire/errors.ts";
import { admits, type Grant } from "./grant.ts";
import type { Mapping } from "./mapping.ts";
import type { Parsed, Sources } from "./parsed.ts";

/** A visitor that asks to use a mapping. */
export type AccessRequest = {
  address: Address;
  /** `public`: at a public port or host; `token`: with a token that has been checked to cover the endpoint. */
  via: "public" | "token";
  /** Milliseconds since 1970. */
  now: number;
};

export type Verdict = { ok: true; grant: Grant | undefined } | { ok: false; failure: Failure };

/**
 * Decides by a mapping's own rule. The Worker calls it, too, but can only refuse earlier; the relay decides. A grant overrides
 * `allow` and `access`, but neither `deny` nor expiry.
 */
export function decide(rule: Parsed<Mapping>, grants: readonly Grant[], request: AccessRequest): Verdict {
  const refuse = (code: Failure["code"], reason: string): Verdict => ({ ok: false, failure: { code, reason } });
  const { mapping, sources } = rule;
  const { address, via, now } = request;
  if (mapping.expires !== null && now >= mapping.expires) return refuse("expired", "the mapping has expired");
  const grant = admits(grants, mapping.id, address, now);
  const reason = whyClosed({ access: mapping.access, sources }, { address, via, granted: grant !== undefined });
  return reason === null ? { ok: true, grant } : refuse("denied", reason);
}

/** The parts of a rule by which visitors are let in. */
export type Door = { readonly access: Mapping["access"]; readonly sources: Sources };

/** Whether an open stream may stay open under the present rule. `granted`: a grant that has not ended let it in. */
export function staysOpen(
  rule: Door,
  visitor: { address: Address; via: "public" | "token"; granted: boolean },
): boolean {
  return whyClosed(rule, visitor) === null;
}

/** Whether a changed rule may keep visitors out that the former one let in. */
export function narrows(before: KeepRule, now: KeepRule): boolean {
  if (before.access === "public" && now.access === "token") return true;
  if (now.deny.some((each) => !before.deny.includes(each))) return true;
  if (now.maxStreams !== null && (before.maxStreams === null || now.maxStreams < before.maxStreams)) return true;
  if (now.allow.length === 0) return false;
  return before.allow.length === 0 || before.allow.some((each) => !now.allow.includes(each));
}

/** Why the lists and the access of a rule keep a visitor out; null when they don't. */
function whyClosed(
  { access, sources: { allow, deny } }: Door,
  { address, via, granted }: { address: Address; via: AccessRequest["via"]; granted: boolean },
): string | null {
  if (!allows([], deny, address)) return `${address.text} is on the deny list`;
  if (granted) return null;
  if (via === "public" && access === "token") return "this endpoint needs a token or a grant";
  return allows(allow, [], address) ? null : `${address.text} is not on the allow list`;
}

/** Whether `allow` names the network of an address, and not just a wide one: then its owner is known to the rule. */
export function isListed({ allow }: Sources, address: Address): boolean {
  return allow.some((cidr) => !isWide(cidr) && cidrContains(cidr, address));
}
