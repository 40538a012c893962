import { formatEndpoint, parseEndpoint } from "../../shared/address/endpoint.ts";
import type { Grant } from "../../shared/rule/grant.ts";
import type { Mapping } from "../../shared/rule/mapping.ts";
import type { Site } from "./sites.ts";
import type { Store } from "./store.ts";
import type { Route } from "./types.ts";

/** Returns the route of a public port; null if it has no mapping. */
export function routeOfPort(store: Store, port: number, transport: "tcp" | "udp", now: number): Route | null {
  const mapping = store.mappings.byPort(port, transport);
  return mapping === undefined ? null : routeOf(store, mapping, now);
}

/** Returns the route of an endpoint reached by token (a port of one transport, or a service); null if it has no mapping. */
export function routeAt(store: Store, text: string, now: number): Route | null {
  const endpoint = parseEndpoint(text);
  if (!endpoint.ok) return null;
  if (endpoint.value.kind === "port") {
    const { first, transport } = endpoint.value;
    return transport === "tcp+udp" ? null : routeOfPort(store, first, transport, now);
  }
  const rule = store.mappings.find(formatEndpoint(endpoint.value));
  return rule === undefined ? null : routeOf(store, rule.mapping, now);
}

/** Builds the route to a mapping of a site. `grants`: all that have not ended. */
export function routeTo(site: Site, mapping: Mapping, grants: readonly Grant[], since: number): Route {
  return {
    site: site.name,
    relay: site.relay,
    relaySeen: site.relaySeen,
    mapping,
    grants: grants.filter((grant) => grant.mappings.includes(mapping.id)),
    since,
    revision: site.revision,
  };
}

function routeOf({ sites, grants, mappings }: Store, mapping: Mapping, now: number): Route | null {
  const site = sites.find(mapping.site);
  return site === undefined ? null : routeTo(site, mapping, grants.live(now), mappings.reassignments.since(mapping.id));
}
