import * as z from "zod";
import { parseAddress, sourceBucket, type Address } from "../../shared/address.ts";
import { parseEndpoint } from "../../shared/endpoint.ts";
import type { Grant } from "../../shared/grant.ts";
import type { Mapping } from "../../shared/mapping.ts";
import { known } from "../../shared/result.ts";
import { done, refused, type Outcome, type Problem } from "../problem.ts";
import { findMapping } from "./mapping-changes.ts";
import { randomHex } from "./random.ts";
import { secretHash } from "./secret.ts";
import type { Actor } from "./actor.ts";
import type { Store } from "./store.ts";

/** Seconds of the longest grant: whoever needs more is no passing visitor. */
const LONGEST = 90 * 24 * 3600;
/** Hex digits of what is in a link. */
const LINK_BYTES = 16;

export const GrantRequest = z.strictObject({
  endpoints: z.array(z.string()).min(1).max(64),
  /** Seconds. */
  life: z.int().positive().max(LONGEST),
  to: z.string().max(100).optional(),
});
export type GrantRequest = z.infer<typeof GrantRequest>;

/** A grant and its endpoints, in words. */
export type GrantOf = { grant: Grant; mappings: Mapping[] };
/** A grant that was just made: the only moment at which its link is seen. */
export type MadeGrant = GrantOf & { link: string };

/** What is in a fresh link, and what is kept of it. */
export async function newLink(): Promise<{ secret: string; hash: string }> {
  const secret = randomHex(LINK_BYTES);
  return { secret, hash: await secretHash(secret) };
}

/** Makes a grant: nobody is admitted before its link is used. */
export function addGrant(store: Store, request: GrantRequest, link: string, actor: Actor): Outcome<GrantOf> {
  const mappings: Mapping[] = [];
  for (const text of request.endpoints) {
    const found = findMapping(store, text);
    if (!found.ok) return found;
    if (known(parseEndpoint(found.value.endpoint)).kind === "service") return refused(noPort(found.value.endpoint));
    if (!mappings.some(({ id }) => id === found.value.id)) mappings.push(found.value);
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

/** What a link is good for; undefined for one that never was or is over. */
export function grantAt(store: Store, link: string, now: number): GrantOf | undefined {
  const grant = store.grants.byLink(link);
  return grant === undefined || grant.until <= now ? undefined : withMappings(store, grant);
}

/** Whether this address is one of those that the grant admits. */
export function isLearned(grant: Grant, address: Address): boolean {
  return addressesOf(grant, address.version).some((each) => sourceBucket(each) === sourceBucket(address));
}

/**
 * Uses a link: from now on the grant admits this address. It does so once for IPv4 and once for IPv6; the same
 * address may come again. Undefined when there is nothing to use, or somebody else has used it.
 */
export function useGrant(store: Store, link: string, address: Address, now: number): GrantOf | undefined {
  const found = grantAt(store, link, now);
  if (found === undefined || isLearned(found.grant, address)) return found;
  if (addressesOf(found.grant, address.version).length > 0) return undefined;
  const { id } = found.grant;
  store.grants.learn(id, address.version, address.text);
  touch(store, found.mappings);
  audit(store, { name: "visitor", from: address.text, now }, "grant use", found.grant, found.mappings);
  return grantAt(store, link, now);
}

/** Takes a grant back: what it admitted is cut. */
export function removeGrant(store: Store, id: string, actor: Actor): Outcome<GrantOf> {
  const grant = store.grants.find(id);
  if (grant === undefined) {
    return refused({
      status: 404,
      code: "no-such-grant",
      title: "Not found",
      detail: `There is no grant ${JSON.stringify(id)}.`,
      fix: "sallyport grant ls shows all, by their ID.",
    });
  }
  return done(remove(store, grant, actor, "grant rm"));
}

/** Removes the grants whose time is over, so that relays and gateways forget them. */
export function endGrants(store: Store, now: number): void {
  for (const grant of store.grants.ended(now)) remove(store, grant, { name: "registry", from: "", now }, "grant end");
}

/** All grants that have not ended. */
export function listGrants(store: Store, now: number): GrantOf[] {
  return store.grants.live(now).map((grant) => withMappings(store, grant));
}

function remove(store: Store, grant: Grant, actor: Actor, action: string): GrantOf {
  const found = withMappings(store, grant);
  store.grants.remove(grant.id);
  touch(store, found.mappings);
  audit(store, actor, action, grant, found.mappings);
  return found;
}

/** Mappings that were removed since are left out. */
function withMappings(store: Store, grant: Grant): GrantOf {
  return { grant, mappings: store.mappings.list().filter(({ id }) => grant.mappings.includes(id)) };
}

function addressesOf({ addresses }: Grant, version: 4 | 6): Address[] {
  return addresses.map((text) => known(parseAddress(text))).filter((each) => each.version === version);
}

function touch(store: Store, mappings: readonly Mapping[]): void {
  for (const site of new Set(mappings.map((mapping) => mapping.site))) store.sites.touch(site);
}

function noPort(endpoint: string): Problem {
  return {
    status: 422,
    code: "grant-unserved",
    title: "Not on this edge",
    detail: `${endpoint} has no public port or host that an address could be let in to.`,
    fix: `Issue a token for it instead: sallyport token visitor --endpoint ${endpoint}`,
  };
}

function audit(store: Store, actor: Actor, action: string, grant: Grant, mappings: readonly Mapping[]): void {
  const to = grant.to === "" ? "" : ` for ${grant.to}`;
  const detail = `${mappings.map(({ endpoint }) => endpoint).join(" ")} until ${new Date(grant.until).toISOString()}${to}`;
  store.journal.audit(actor, action, grant.id, detail);
}
