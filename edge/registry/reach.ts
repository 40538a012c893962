import { parseEndpoint } from "../../shared/endpoint.ts";
import { parseScopes, reachOf, type Reach } from "../../shared/reach.ts";
import { known } from "../../shared/result.ts";
import type { Store } from "./store.ts";

/** What a token reaches at one site. */
export type SiteReach = {
  site: string;
  /** Name of the site's relay object. */
  relay: string;
  /** False until an agent has been there. */
  relaySeen: boolean;
  endpoints: Reach[];
};

/** Every site that a client or a gateway may dial with these endpoints in its token: for "*", those without mappings too. */
export function reachedBy(store: Store, endpoints: "*" | readonly string[]): SiteReach[] {
  const scopes = parseScopes(endpoints);
  const reached = new Map(
    store.sites
      .list()
      .map(({ name, relay, relaySeen }): [string, SiteReach] => [
        name,
        { site: name, relay, relaySeen, endpoints: [] },
      ]),
  );
  for (const mapping of store.mappings.list()) {
    reached.get(mapping.site)?.endpoints.push(...reachOf(known(parseEndpoint(mapping.endpoint)), scopes));
  }
  return [...reached.values()].filter((each) => scopes === "*" || each.endpoints.length > 0);
}
