import { type Address, parseAddress } from "../address/address.ts";
import { classify, isLoopback } from "../address/address-class.ts";
import { mayReach } from "./claims.ts";
import type { Target } from "../address/target.ts";
import {
  type Dialling,
  forbids,
  leavesLoopbackToAgent,
  type Meanings,
  namesIn,
  namingLoopback,
  permits,
  permitsSocket,
  type TargetRule,
} from "../address/target-rule.ts";

/** The rules by which an agent dials: its token's targets, and its own, which the edge can't widen. */
export type TargetPolicy = {
  readonly claims: { readonly targets: readonly string[] };
  /** `--allow`; none: private addresses, and loopback where the token names it. */
  readonly allow: readonly TargetRule[];
  readonly deny: readonly TargetRule[];
};

/** Whether token and rules both let an agent dial this address, which the target's host has resolved to. */
export function mayDial({ claims, allow, deny }: TargetPolicy, dialling: Dialling, meanings: Meanings): boolean {
  const { address, port } = dialling;
  if (!mayReach(claims, address, port) || forbids(deny, dialling, meanings)) return false;
  if (isLoopback(address) && leavesLoopbackToAgent(claims.targets)) return permits(namingLoopback(allow), dialling);
  return allow.length > 0 ? permits(allow, dialling) : isOrdinary(address);
}

/** Whether an address needs no `--allow`: a private one, or loopback, which the token has to name. */
export function isOrdinary(address: Address): boolean {
  const kind = classify(address);
  return kind === "private" || kind === "loopback";
}

const NOT_IN_TOKEN = "not among the targets of the agent's token";

/** Explains why an agent may not dial an address, and how to allow it. */
export function denialReason(
  { claims, allow, deny }: TargetPolicy,
  address: Address,
  port: number,
  meanings: Meanings,
): string {
  if (!mayReach(claims, address, port)) return NOT_IN_TOKEN;
  const unknown = namesIn(deny, port).find((name) => !meanings.has(name));
  if (unknown !== undefined) return `${unknown}, which the agent's own --deny forbids, can't be resolved now`;
  if (forbids(deny, { host: "", address, port }, meanings)) return "forbidden by the agent's own --deny";
  if (isLoopback(address) && leavesLoopbackToAgent(claims.targets))
    return "the agent's own machine, which neither its token nor its --allow names: --allow localhost, or a token with --target";
  if (allow.length > 0) return "not allowed by the agent's own --allow and --deny";
  return isOrdinary(address)
    ? "forbidden by the agent's own --deny"
    : `a ${classify(address)} address; start the agent with --allow to permit it`;
}

/** The rules that an agent has reported in HELLO; null if it has not. */
export type ReportedRules = Pick<TargetPolicy, "allow" | "deny"> | null;

/** Whether an agent would dial a target, as far as that is known without its resolver. */
export type Reachability = { readonly is: "yes" | "unknown" } | { readonly is: "no"; readonly why: string };

/**
 * Judges at the relay whether an agent would dial a target. A "no" by the token is certain, whatever the agent reports. A name is
 * "unknown", because only the agent can resolve it.
 */
export function reaches(claims: TargetPolicy["claims"], said: ReportedRules, target: Target): Reachability {
  switch (target.kind) {
    case "unix":
    case "http+unix":
      return reachesSocket(said, target.path);
    case "http":
      return reachesPort(claims, said, target.host, target.port);
    case "port":
      return reachesPort(claims, said, target.host, target.first);
  }
}

function reachesSocket(said: ReportedRules, path: string): Reachability {
  if (said === null) return { is: "unknown" };
  if (permitsSocket(said.allow, path) && !permitsSocket(said.deny, path)) return { is: "yes" };
  return { is: "no", why: `unix:${path} is not in the agent's --allow` };
}

function reachesPort(claims: TargetPolicy["claims"], said: ReportedRules, host: string, port: number): Reachability {
  const parsed = parseAddress(host);
  if (!parsed.ok) return { is: "unknown" };
  const address = parsed.value;
  if (!mayReach(claims, address, port)) return { is: "no", why: NOT_IN_TOKEN };
  if (said === null) return { is: "unknown" };
  const named = namesIn(said.deny, port);
  const deny = said.deny.filter((rule) => rule.kind !== "name" || !named.includes(rule.host));
  const policy = { claims, allow: said.allow, deny };
  if (!mayDial(policy, { host, address, port }, new Map()))
    return { is: "no", why: denialReason(policy, address, port, new Map()) };
  return { is: named.length > 0 ? "unknown" : "yes" };
}
