import { stringify } from "smol-toml";
import { COMPATIBILITY_DATE, COMPATIBILITY_FLAGS } from "../serve/workerd-config.ts";

export type Deployment = { name: string; hosts: readonly string[] };

/** Writes the wrangler.toml of a deployment, which uploads the built Worker beside it unchanged. */
export function wranglerConfig({ name, hosts }: Deployment): string {
  return stringify({
    name,
    main: "worker.js",
    no_bundle: true,
    compatibility_date: COMPATIBILITY_DATE,
    compatibility_flags: COMPATIBILITY_FLAGS,
    workers_dev: true,
    send_metrics: false,
    // Keeps variables that were set in Cloudflare's dashboard.
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

/** Makes a custom domain, for which Cloudflare makes DNS record and certificate; a wildcard can only be a route. */
function routeOf(host: string): Record<string, string | boolean> {
  if (host.startsWith("*.")) return { pattern: `${host}/*`, zone_name: host.slice(2) };
  return { pattern: host, custom_domain: true };
}

/** Lists what these hosts need outside the Worker to be reachable. */
export function hostNotes(hosts: readonly string[]): string[] {
  return hosts.map((host) => {
    if (!host.startsWith("*."))
      return `${host}: Cloudflare makes the DNS record and the certificate; the zone must be in this account`;
    const zone = host.slice(2);
    return `${host}: needs a proxied DNS record for ${host} (AAAA 100::); Universal SSL covers one level under ${zone}, deeper names need their own certificate`;
  });
}
