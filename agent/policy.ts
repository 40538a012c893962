import { lookup } from "node:dns/promises";
import { type Address, parseAddress } from "../shared/address.ts";
import { classify } from "../shared/address-class.ts";
import { type AgentClaims, mayReach } from "../shared/claims.ts";
import type { Failure } from "../shared/errors.ts";
import { forbids, permits, permitsSocket, type TargetRule } from "../shared/target-rule.ts";
import { Names } from "./names.ts";

/** What this agent may dial: its token's targets, and its own rules, which the edge can't widen. */
export type TargetPolicy = {
  claims: AgentClaims;
  /** `--allow`; none: private and loopback addresses. */
  allow: readonly TargetRule[];
  deny: readonly TargetRule[];
};

/** The resolver of this machine, for all mappings together. */
const names = new Names((host) => lookup(host, { all: true, verbatim: true }));

/** Addresses that may be dialled, in the resolver's order, or why there is none. */
export type Judged = { ok: true; addresses: Address[] } | { ok: false; failure: Failure };

/**
 * Resolves a target and judges what it resolved to; only these very addresses may be dialled,
 * so that a name can't mean one thing when it is judged and another when it is dialled. What was asked a moment ago is not asked again.
 */
export async function judge(policy: TargetPolicy, host: string, port: number): Promise<Judged> {
  const resolved = await resolve(host);
  if (!resolved.ok) return resolved;
  const allowed = resolved.addresses.filter((address) => isAllowed(policy, host, address, port));
  if (allowed.length > 0) return { ok: true, addresses: allowed };
  const shown = resolved.addresses.map((address) => address.text).join(", ");
  const [first] = resolved.addresses;
  const reason = first === undefined ? "" : whyNot(policy, first, port);
  return {
    ok: false,
    failure: {
      code: "target-denied",
      reason: `${host === shown ? shown : `${host} (${shown})`} port ${port}: ${reason}`,
    },
  };
}

/** Whether a socket of this machine may be connected to: only by name, in `--allow`. */
export function mayConnect(policy: TargetPolicy, path: string): boolean {
  return permitsSocket(policy.allow, path);
}

function isAllowed(policy: TargetPolicy, host: string, address: Address, port: number): boolean {
  if (!mayReach(policy.claims, address, port)) return false;
  const dialling = { host, address, port };
  if (forbids(policy.deny, dialling)) return false;
  return policy.allow.length > 0 ? permits(policy.allow, dialling) : isOrdinary(address);
}

/** What an agent dials without being told: the LAN and its own machine. Never link-local or metadata addresses. */
function isOrdinary(address: Address): boolean {
  const kind = classify(address);
  return kind === "private" || kind === "loopback";
}

function whyNot(policy: TargetPolicy, address: Address, port: number): string {
  if (!mayReach(policy.claims, address, port)) return "not among the targets of the agent's token";
  if (policy.allow.length > 0) return "not allowed by the agent's own --allow and --deny";
  if (policy.deny.length > 0 && isOrdinary(address)) return "forbidden by the agent's own --deny";
  return `a ${classify(address)} address; start the agent with --allow to permit it`;
}

async function resolve(host: string): Promise<Judged> {
  const literal = parseAddress(host);
  if (literal.ok) return { ok: true, addresses: [literal.value] };
  const found = (await names.resolve(host)).map(parseAddress).filter((each) => each.ok);
  if (found.length > 0) return { ok: true, addresses: found.map((each) => each.value) };
  return {
    ok: false,
    failure: { code: "target-unresolved", reason: `the name ${host} does not resolve on the agent's network` },
  };
}
