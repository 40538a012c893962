import dns from "node:dns/promises";
import { type Address, parseAddress } from "../shared/address/address.ts";
import type { AgentClaims } from "../shared/rule/claims.ts";
import type { Failure } from "../shared/wire/errors.ts";
import { mayDial, denialReason, type TargetPolicy as SharedPolicy } from "../shared/rule/target-policy.ts";
import {
  formatTargetRule,
  type Meanings,
  namesIn,
  permitsSocket,
  type TargetRule,
} from "../shared/address/target-rule.ts";
import { ResolverCache } from "./resolver-cache.ts";
import { canOpenFile, noFilesFailure } from "./open-files.ts";

/** What this agent may dial: its own rules, and the claims of its token. */
export type TargetPolicy = SharedPolicy & { claims: AgentClaims };

/** Limit in characters on rules in HELLO, which has 64 KiB. Without them the relay asks the agent about each target. */
const MAX_REACH_CHARACTERS = 16_384;

/** Formats the agent's own rules for HELLO; undefined if they are too long for it. */
export function helloReach({ allow, deny }: TargetPolicy): { allow: string[]; deny: string[] } | undefined {
  const reach = { allow: allow.map(formatTargetRule), deny: deny.map(formatTargetRule) };
  return JSON.stringify(reach).length > MAX_REACH_CHARACTERS ? undefined : reach;
}

/** The resolver of this machine, shared by all mappings. */
const resolver = new ResolverCache((host) => dns.lookup(host, { all: true, verbatim: true }));

/** The last known addresses of names in `--deny`: while the resolver does not answer, these stay forbidden and everything else stays permitted. */
const lastResolved = new Map<string, readonly Address[]>();

/** The addresses of a target that may be dialled, in the resolver's order, or why there are none. */
export type Verdict = { ok: true; addresses: Address[] } | { ok: false; failure: Failure };

/**
 * Resolves a target and judges its addresses. Only the addresses it returns may be dialled: resolved again, the name could lead
 * elsewhere. Answers of the resolver are reused for a second.
 */
export async function judge(policy: TargetPolicy, host: string, port: number): Promise<Verdict> {
  const [resolved, meanings] = await Promise.all([resolve(host), resolveDenied(policy.deny, port)]);
  if (!resolved.ok) return resolved;
  const allowed = resolved.addresses.filter((address) => mayDial(policy, { host, address, port }, meanings));
  if (allowed.length > 0) return { ok: true, addresses: allowed };
  const shown = resolved.addresses.map((address) => address.text).join(", ");
  const [first] = resolved.addresses;
  const reason = first === undefined ? "" : denialReason(policy, first, port, meanings);
  return {
    ok: false,
    failure: {
      code: "target-denied",
      reason: `${host === shown ? shown : `${host} (${shown})`} port ${port}: ${reason}`,
    },
  };
}

/** Tells whether a Unix socket may be connected to: only if `--allow` names it. */
export function mayConnect(policy: TargetPolicy, path: string): boolean {
  return permitsSocket(policy.allow, path) && !permitsSocket(policy.deny, path);
}

/** Resolves the names in `--deny` whose rules cover `port`; without it, all. */
export async function resolveDenied(deny: readonly TargetRule[], port?: number): Promise<Meanings> {
  const meanings = new Map<string, readonly Address[]>();
  const ask = async (name: string): Promise<void> => {
    const found = await resolver.resolve(name);
    if (found !== null) lastResolved.set(name, addressesOf(found));
    const known = lastResolved.get(name);
    if (known !== undefined) meanings.set(name, known);
  };
  await Promise.all(namesIn(deny, port).map(ask));
  return meanings;
}

async function resolve(host: string): Promise<Verdict> {
  const literal = parseAddress(host);
  if (literal.ok) return { ok: true, addresses: [literal.value] };
  const addresses = addressesOf((await resolver.resolve(host)) ?? []);
  if (addresses.length > 0) return { ok: true, addresses };
  if (!canOpenFile()) return { ok: false, failure: noFilesFailure() };
  return {
    ok: false,
    failure: { code: "target-unresolved", reason: `the name ${host} does not resolve on the agent's network` },
  };
}

function addressesOf(texts: readonly string[]): Address[] {
  return texts.map(parseAddress).flatMap((each) => (each.ok ? [each.value] : []));
}
