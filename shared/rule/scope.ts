import { type Endpoint, formatEndpoint, type HttpEndpoint, parseEndpoint, transports } from "../address/endpoint.ts";
import { parseName } from "../address/name.ts";
import { ok, type Result } from "../result.ts";

/** What a token lets its holder open or publish: an endpoint, or `SITE/*`, every service of one site. */
export type Scope = Endpoint | { readonly kind: "services"; readonly site: string };

export function parseScope(text: string): Result<Scope> {
  if (!text.endsWith("/*") || text.includes("://")) return parseEndpoint(text);
  const site = parseName(text.slice(0, -2), "site");
  return site.ok ? ok({ kind: "services", site: site.value }) : site;
}

export function formatScope(scope: Scope): string {
  return scope.kind === "services" ? `${scope.site}/*` : formatEndpoint(scope);
}

/**
 * Whether all of `endpoint` is within `scope`: all its ports and transports. A host without a port covers all of its ports, and `*.`
 * covers exactly one label. A prefix has to be the same: an endpoint under `/admin` is another mapping, and must be named itself.
 */
export function covers(scope: Scope, endpoint: Endpoint): boolean {
  switch (scope.kind) {
    case "services":
      return endpoint.kind === "service" && endpoint.site === scope.site;
    case "service":
      return endpoint.kind === "service" && endpoint.site === scope.site && endpoint.name === scope.name;
    case "port":
      if (endpoint.kind !== "port" || endpoint.first < scope.first || endpoint.last > scope.last) return false;
      return transports(endpoint).every((transport) => transports(scope).includes(transport));
    case "http":
      return endpoint.kind === "http" && coversHttp(scope, endpoint);
  }
}

function coversHttp(scope: HttpEndpoint, endpoint: HttpEndpoint): boolean {
  if (scope.scheme !== endpoint.scheme || scope.prefix !== endpoint.prefix) return false;
  if (scope.port !== null && scope.port !== endpoint.port) return false;
  return hostMatches(scope.host, endpoint.host);
}

/** Whether a host (canonical) is `pattern` itself, or has exactly one label in place of the `*` of `pattern`. */
export function hostMatches(pattern: string, host: string): boolean {
  if (pattern === host) return true;
  return pattern.startsWith("*.") && !host.startsWith("*.") && host.slice(host.indexOf(".")) === pattern.slice(1);
}
