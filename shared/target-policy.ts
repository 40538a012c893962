import { type Address, parseAddress } from "./address.ts";
import { classify, isLoopback } from "./address-class.ts";
import { mayReach } from "./claims.ts";
import type { Target } from "./target.ts";
import {
  type Dialling,
  forbids,
  leavesLoopback,
  type Meanings,
  namesIn,
  namingLoopback,
  permits,
  permitsSocket,
  type TargetRule,
} from "./target-rule.ts";

/** What an agent dials: its token's targets, and its own rules, which the edge can't widen. */
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
  if (isLoopback(address) && leavesLoopback(claims.targets)) return permits(namingLoopback(allow), dialling);
  return allow.length > 0 ? permits(allow, dialling) : isOrdinary(address);
}

/** What an agent dials without being told: the LAN, and what its token names of its own machine. Never link-local or metadata addresses. */
export function isOrdinary(address: Address): boolean {
  const kind = classify(address);
  return kind === "private" || kind === "loopback";
}

/** What an agent has said of its own rules; null from one that says nothing. */
export type SaidRules = Pick<TargetPolicy, "allow" | "deny"> | null;

/** Whether an agent may dial a target, as far as that is known without its resolver. */
export type Reaches = "yes" | "no" | "unknown";

/**
 * Judges from afar whether an agent will dial a target. "no" by the token is certain, whatever the agent says of itself; a name is
 * for the agent to resolve, and so is left open.
 */
export function reaches(claims: TargetPolicy["claims"], said: SaidRules, target: Target): Reaches {
  switch (target.kind) {
    case "unix":
    case "http+unix":
      if (said === null) return "unknown";
      return permitsSocket(said.allow, target.path) && !permitsSocket(said.deny, target.path) ? "yes" : "no";
    case "http":
      return reachesPort(claims, said, target.host, target.port);
    case "port":
      return reachesPort(claims, said, target.host, target.first);
  }
}

function reachesPort(claims: TargetPolicy["claims"], said: SaidRules, host: string, port: number): Reaches {
  const address = parseAddress(host);
  if (!address.ok) return "unknown";
  if (!mayReach(claims, address.value, port)) return "no";
  if (said === null) return "unknown";
  const dialling = { host, address: address.value, port };
  const named = namesIn(said.deny, port);
  const deny = said.deny.filter((rule) => rule.kind !== "name" || !named.includes(rule.host));
  if (!mayDial({ claims, allow: said.allow, deny }, dialling, new Map())) return "no";
  return named.length > 0 ? "unknown" : "yes";
}
