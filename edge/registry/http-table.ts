import { parseEdgeUrl } from "../../shared/address/edge-url.ts";
import { routeTo } from "./routes.ts";
import type { Store } from "./store.ts";
import type { Route } from "./types.ts";

/** Every host the edge serves, and where it leads: what a Worker must know to refuse a stranger without waking anybody. */
export type HttpTable = {
  /** Changes whenever anything in the table may have. */
  tag: string;
  /** Hosts of the edge's own URLs. They are no endpoint's. */
  control: string[];
  routes: Route[];
};

/** The table, or null when `tag` is still that of the current. */
export function httpTable(store: Store, tag: string): HttpTable | null {
  const urls = store.urls.list();
  const sites = store.sites.list();
  // Revisions only grow, and every change of rules moves one.
  const current = [
    urls.length,
    urls[0],
    ...sites.map(({ name, revision, relaySeen }) => `${name}:${revision}:${relaySeen ? 1 : 0}`),
  ].join(" ");
  if (current === tag) return null;
  const routes = sites.flatMap((site) => {
    const { grants, mappings, reassigned = {} } = store.rulesOf(site, Date.now());
    // Hosts alone have HTTP options, and each has them.
    const hosts = mappings.filter(({ http }) => http !== null);
    return hosts.map((mapping) => routeTo(site, mapping, grants, reassigned[mapping.id] ?? 0));
  });
  return { tag: current, control: urls.flatMap(hostOf), routes };
}

function hostOf(url: string): string[] {
  const parsed = parseEdgeUrl(url);
  return parsed.ok ? [parsed.value.host] : [];
}
