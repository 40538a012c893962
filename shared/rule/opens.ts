import type { Address } from "../address/address.ts";
import { allows, type Cidr, parseCidr } from "../address/cidr.ts";
import type { Endpoint } from "../address/endpoint.ts";
import { all, unwrap } from "../result.ts";
import { isWide, isWithin, parseScopes, type Scopes, scopesFor } from "./reach.ts";
import { covers } from "./scope.ts";

/** What the token of a client or a gateway opens, with its texts as values. `from`: its sources; none: from anywhere. */
export type Opens = { readonly scopes: Scopes; readonly from: readonly Cidr[] };

/** Reads the claims that say so, which have been verified. Throws on bad ones. */
export function opensOf(claims: {
  readonly endpoints?: "*" | readonly string[] | undefined;
  readonly from?: readonly string[] | undefined;
}): Opens {
  return { scopes: parseScopes(claims.endpoints ?? []), from: unwrap(all(claims.from ?? [], parseCidr)) };
}

/** Whether a client or a gateway may open this endpoint. */
export function mayOpen({ scopes }: Opens, endpoint: Endpoint): boolean {
  return isWithin(endpoint, scopes);
}

/**
 * Whether a visitor's token, `issued` in seconds since 1970, may open a concrete endpoint of the mapping at `mapped`, whose it is since
 * a moment in milliseconds since 1970 (`scopesFor`).
 */
export function mayOpenAt(
  { scopes }: Opens,
  issued: number,
  endpoint: Endpoint,
  mapped: Endpoint,
  since: number,
): boolean {
  return isWithin(endpoint, scopesFor(scopes, mapped, issued, since));
}

/**
 * Whether a visitor's token opens a concrete endpoint of the mapping at `mapped` whatever is mapped there, and not by its
 * name.
 */
export function isWideFor({ scopes }: Opens, endpoint: Endpoint, mapped: Endpoint): boolean {
  return scopes === "*" || scopes.some((scope) => isWide(scope, mapped) && covers(scope, endpoint));
}

/** Whether a visitor's token may be used from this address. */
export function mayComeFrom({ from }: Opens, address: Address): boolean {
  return allows(from, [], address);
}
