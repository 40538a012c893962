import { parseEdgeUrl } from "../../shared/address/edge-url.ts";
import { routeTo } from "./routes.ts";
import type { Store } from "./store.ts";
import type { Route } from "./types.ts";

/** All hosts of the edge with their routes. With it a Worker refuses a request without waking the registry or a relay. */
export type HttpTable = {
  /** Differs whenever anything in the table may have changed. */
  tag: string;
  /** Hosts of the edge's own URLs, which no endpoint may use. */
  control: string[];
  routes: Route[];
};

/** Returns the table, or null if `tag` is still current. */
export function httpTable(store: Store, tag: string): HttpTable | null {
  const urls = store.urls.list();
  const sites = store.sites.list();
  // Revisions only grow, and every change of rules increases one.
  const current = [
    urls.length,
    urls[0],
    ...sites.map(({ name, revision, relaySeen }) => `${name}:${revision}:${relaySeen ? 1 : 0}`),
  ].join(" ");
  if (current === tag) return null;
  const routes = sites.flatMap((site) => {
    const { grants, mappings, reassigned = {} } = store.rulesOf(site, Date.now());
    // HTTP endpoints, and no others, have HTTP options.
    const hosts = mappings.filter(({ http }) => http !== null);
    return hosts.map((mapping) => routeTo(site, mapping, grants, reassigned[mapping.id] ?? 0));
  });
  return { tag: current, control: urls.flatMap(hostOf), routes };
}

function hostOf(url: string): string[] {
  const parsed = parseEdgeUrl(url);
  return parsed.ok ? [parsed.value.host] : [];
}
