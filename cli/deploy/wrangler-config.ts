import { stringify } from "smol-toml";
import { COMPATIBILITY_DATE, COMPATIBILITY_FLAGS } from "../serve/workerd-config.ts";

export type Deployment = { name: string; hosts: readonly string[] };

/** The wrangler.toml of a deployment: the built Worker beside it, as it is. */
export function wranglerConfig({ name, hosts }: Deployment): string {
  return stringify({
    name,
    main: "worker.js",
    no_bundle: true,
    compatibility_date: COMPATIBILITY_DATE,
    compatibility_flags: COMPATIBILITY_FLAGS,
    workers_dev: true,
    send_metrics: false,
    // What was set in the dashboard stays.
    keep_vars: true,
    observability: { enabled: true },
    ...(hosts.length === 0 ? {} : { routes: hosts.map(routeOf) }),
    durable_objects: {
      bindings: [
        { name: "RELAY", class_name: "Relay" },
        { name: "REGISTRY", class_name: "Registry" },
      ],
    },
    migrations: [{ tag: "v1", new_sqlite_classes: ["Relay", "Registry"] }],
  });
}

/** A host of its own becomes a custom domain, with record and certificate made by Cloudflare; a wildcard only a route. */
function routeOf(host: string): Record<string, string | boolean> {
  if (host.startsWith("*.")) return { pattern: `${host}/*`, zone_name: host.slice(2) };
  return { pattern: host, custom_domain: true };
}

/** What has to be true outside of the Worker for these hosts to be reached. */
export function hostNotes(hosts: readonly string[]): string[] {
  return hosts.map((host) => {
    if (!host.startsWith("*."))
      return `${host}: Cloudflare makes its DNS record and certificate; the zone must be in this account`;
    const zone = host.slice(2);
    return `${host}: needs a proxied DNS record for ${host} (AAAA 100::); Universal SSL covers one level under ${zone}, deeper names need a certificate of their own`;
  });
}
