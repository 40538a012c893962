import type { Mapping } from "../../shared/rule/mapping.ts";
import { parsed } from "../../shared/rule/parsed.ts";
import { parseScopes, reachOf, scopesFor, type Reach } from "../../shared/rule/reach.ts";
import type { Store } from "./store.ts";

/** The endpoints that a token reaches at one site. */
export type SiteReach = {
  site: string;
  /** Name of the site's relay object. */
  relay: string;
  /** False until an agent has connected to that relay. */
  relaySeen: boolean;
  endpoints: Reach[];
};

/** Lists the sites that a client or a gateway may dial with these endpoints in its token; for "*", sites without mappings too. */
export function reachableSites(store: Store, endpoints: "*" | readonly string[], issued: number | null): SiteReach[] {
  const scopes = parseScopes(endpoints);
  const reached = new Map(
    store.sites
      .list()
      .map(({ name, relay, relaySeen }): [string, SiteReach] => [
        name,
        { site: name, relay, relaySeen, endpoints: [] },
      ]),
  );
  const since = store.mappings.reassignments.all();
  for (const { mapping, endpoint } of store.mappings.rules()) {
    const counting = scopesFor(scopes, endpoint, issued, since.get(mapping.id) ?? 0);
    reached.get(mapping.site)?.endpoints.push(...reachOf(endpoint, counting));
  }
  return [...reached.values()].filter((each) => scopes === "*" || each.endpoints.length > 0);
}

/** Lists the `jti` of visitor tokens that name a mapping's endpoint but were issued for an earlier mapping of that endpoint. */
export function staleTokens(store: Store, mapping: Mapping, now: number): string[] {
  const since = store.mappings.reassignments.since(mapping.id);
  if (since === 0) return [];
  const { endpoint } = parsed(mapping);
  return store.tokens.current().flatMap(({ jti, claims, expires }) => {
    if (claims.aud !== "sallyport:visitor" || expires <= now) return [];
    const scopes = parseScopes(claims.endpoints);
    const counting = scopesFor(scopes, endpoint, claims.iat, since);
    return reachOf(endpoint, scopes).length > 0 && reachOf(endpoint, counting).length === 0 ? [jti] : [];
  });
}
