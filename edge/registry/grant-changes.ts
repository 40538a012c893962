import * as z from "zod";
import { parseAddress, type Address } from "../../shared/address/address.ts";
import { sourceOf, type Grant } from "../../shared/rule/grant.ts";
import type { Mapping } from "../../shared/rule/mapping.ts";
import { line } from "../../shared/schema.ts";
import { done, refused, type Outcome, type Problem } from "../problem.ts";
import { findRule } from "./mapping-changes.ts";
import { randomHex } from "./random.ts";
import { secretHash } from "./secret.ts";
import type { Actor } from "./actor.ts";
import type { Store } from "./store.ts";

/** Longest lifetime of a grant, in seconds. Longer access needs a visitor token. */
const MAX_LIFE_SECONDS = 90 * 24 * 3600;
/** Random bytes in a link, and in the secret that identifies the first browser to use it. */
const LINK_BYTES = 16;
/** How long after a link's first use the same browser may add its address of the other IP version, in milliseconds. */
export const SECOND_ADDRESS_MS = 10 * 60_000;

export const GrantRequest = z.strictObject({
  endpoints: z.array(z.string()).min(1).max(64),
  /** Seconds. */
  life: z.int().positive().max(MAX_LIFE_SECONDS),
  /** Whom the grant is for. */
  to: line(100).optional(),
});
export type GrantRequest = z.infer<typeof GrantRequest>;

/** A grant with the mappings that it names. */
export type GrantWithMappings = { grant: Grant; mappings: Mapping[] };
/** A new grant with its link, which is shown only here because only its hash is stored. */
export type NewGrant = GrantWithMappings & { link: string };

/** Creates the secret of a new link, and the hash of it that is stored. */
export async function newLink(): Promise<{ secret: string; hash: string }> {
  const secret = randomHex(LINK_BYTES);
  return { secret, hash: await secretHash(secret) };
}

/** Creates a grant. It admits no address until its link is used. `link`: the hash of the link's secret. */
export function addGrant(store: Store, request: GrantRequest, link: string, actor: Actor): Outcome<GrantWithMappings> {
  const mappings: Mapping[] = [];
  for (const text of request.endpoints) {
    const found = findRule(store, text);
    if (!found.ok) return found;
    const { mapping, endpoint } = found.value;
    if (endpoint.kind === "service") return refused(noPortProblem(mapping.endpoint));
    if (!mappings.some(({ id }) => id === mapping.id)) mappings.push(mapping);
  }
  const grant: Grant = {
    id: randomHex(6),
    mappings: mappings.map(({ id }) => id),
    addresses: [],
    to: request.to ?? "",
    created: actor.now,
    until: actor.now + request.life * 1000,
    by: actor.name,
  };
  store.grants.add(grant, link);
  touch(store, mappings);
  audit(store, actor, "grant add", grant, mappings);
  return done({ grant, mappings });
}

/** A visitor that opened a link: its address, and the hash of the secret in its cookie, if it sent one. */
export type GrantVisitor = { address: Address; browser: string | undefined };

/** A grant that a visitor may use. `isLearned`: it already admits the visitor's address (the name is part of the RPC answer). */
export type OfferedGrant = GrantWithMappings & { isLearned: boolean };

/** Finds the grant of a link; undefined if there is none, it has ended, or another visitor uses it. */
export function grantAt(store: Store, link: string, visitor: GrantVisitor, now: number): OfferedGrant | undefined {
  const grant = store.grants.byLink(link);
  if (grant === undefined || grant.until <= now) return undefined;
  const admitted = isAdmitted(grant, visitor.address);
  if (!admitted && !mayUse(store, grant, visitor, now)) return undefined;
  return { ...withMappings(store, grant), isLearned: admitted };
}

/**
 * Uses a link: from now on the grant admits this address. If `isFirst`, answer with a cookie that holds the secret of `newBrowserHash`:
 * with it, the browser may add its address of the other IP version. Returns undefined in the same cases as `grantAt`.
 */
export function useGrant(
  store: Store,
  link: string,
  visitor: GrantVisitor,
  newBrowserHash: string,
  now: number,
): (GrantWithMappings & { isFirst: boolean }) | undefined {
  const found = grantAt(store, link, visitor, now);
  if (found === undefined) return undefined;
  const { grant, mappings } = found;
  if (found.isLearned) return { grant, mappings, isFirst: false };
  const isFirst = grant.addresses.length === 0;
  const { address } = visitor;
  store.grants.admit(grant.id, address.version, address.text);
  if (isFirst) store.grants.setUser(grant.id, { browser: newBrowserHash, used: now });
  touch(store, mappings);
  audit(store, { name: "visitor", from: address.text, now }, "grant use", grant, mappings);
  return { grant: store.grants.find(grant.id) ?? grant, mappings, isFirst };
}

/**
 * Returns true if a visitor may have its address admitted. A link is for one visitor, but a browser alternates between IPv4 and
 * IPv6. So the browser that used the link may add one address of the other version, for `SECOND_ADDRESS_MS`.
 */
function mayUse(store: Store, grant: Grant, { address, browser }: GrantVisitor, now: number): boolean {
  if (grant.addresses.length === 0) return true;
  if (addressesOf(grant, address.version).length > 0 || browser === undefined) return false;
  const user = store.grants.userOf(grant.id);
  return user !== undefined && user.browser === browser && now < user.used + SECOND_ADDRESS_MS;
}

/** Returns true if the grant already admits this address. */
function isAdmitted(grant: Grant, address: Address): boolean {
  return addressesOf(grant, address.version).some((each) => sourceOf(each) === sourceOf(address));
}

/** Revokes a grant and closes the connections that it admitted. */
export function removeGrant(store: Store, id: string, actor: Actor): Outcome<GrantWithMappings> {
  const grant = store.grants.find(id);
  if (grant === undefined) {
    return refused({
      status: 404,
      code: "no-such-grant",
      title: "Not found",
      detail: `There is no grant ${JSON.stringify(id)}.`,
      fix: "sallyport grant ls lists all grants with their IDs.",
    });
  }
  return done(remove(store, grant, actor, "grant rm"));
}

/** Removes expired grants, so that relays and gateways drop them. */
export function endGrants(store: Store, now: number): void {
  for (const grant of store.grants.ended(now)) remove(store, grant, { name: "registry", from: "", now }, "grant end");
}

/** Lists the grants that have not ended. */
export function listGrants(store: Store, now: number): GrantWithMappings[] {
  return store.grants.live(now).map((grant) => withMappings(store, grant));
}

function remove(store: Store, grant: Grant, actor: Actor, action: string): GrantWithMappings {
  const found = withMappings(store, grant);
  store.grants.remove(grant.id);
  touch(store, found.mappings);
  audit(store, actor, action, grant, found.mappings);
  return found;
}

/** Adds the grant's mappings, without those that were removed since. */
function withMappings(store: Store, grant: Grant): GrantWithMappings {
  return { grant, mappings: store.mappings.list().filter(({ id }) => grant.mappings.includes(id)) };
}

function addressesOf({ addresses }: Grant, version: 4 | 6): Address[] {
  return addresses
    .map((text) => parseAddress(text))
    .flatMap((each) => (each.ok && each.value.version === version ? [each.value] : []));
}

function touch(store: Store, mappings: readonly Mapping[]): void {
  for (const site of new Set(mappings.map((mapping) => mapping.site))) store.sites.touch(site);
}

function noPortProblem(endpoint: string): Problem {
  return {
    status: 422,
    code: "grant-unserved",
    title: "No public port",
    detail: `${endpoint} has no public port or host that a grant could admit an address to.`,
    fix: `Issue a token for it instead: sallyport token visitor --endpoint ${endpoint}`,
  };
}

function audit(store: Store, actor: Actor, action: string, grant: Grant, mappings: readonly Mapping[]): void {
  const to = grant.to === "" ? "" : ` for ${grant.to}`;
  const detail = `${mappings.map(({ endpoint }) => endpoint).join(" ")} until ${new Date(grant.until).toISOString()}${to}`;
  store.journal.audit(actor, action, grant.id, detail);
}
