import { type Endpoint, formatEndpoint, transports } from "../address/endpoint.ts";
import type { Kind } from "../wire/open.ts";
import { merged, type PortRange } from "../address/ports.ts";
import { all, unwrap } from "../result.ts";
import { covers, parseScope, type Scope } from "./scope.ts";

/** An endpoint of one transport, as ROUTES and clients name it: `8080/tcp`, `10000-10019/udp`, `SITE/NAME`, a URL. */
export type Reach = { readonly endpoint: string; readonly kind: Kind };

/** The endpoints in a token's claims: a list of scopes, or "*" for everything. */
export type Scopes = "*" | readonly Scope[];

export function parseScopes(texts: "*" | readonly string[]): Scopes {
  return texts === "*" ? texts : unwrap(all(texts, parseScope));
}

/** Returns the parts of an endpoint that lie within the scopes, with their endpoints as text. */
export function reachOf(endpoint: Endpoint, scopes: Scopes): Reach[] {
  return partsWithin(scopes, endpoint).map((part) => ({ ...part, endpoint: formatEndpoint(part.endpoint) }));
}

/** A part of an endpoint, of one transport. */
export type Part = { readonly endpoint: Endpoint; readonly kind: Kind };

/** The parts of an endpoint that lie within the scopes: of a range, perhaps only some ports. */
export function partsWithin(scopes: Scopes, endpoint: Endpoint): Part[] {
  if (endpoint.kind !== "port") {
    return isWithin(endpoint, scopes) ? [{ endpoint, kind: endpoint.kind === "http" ? "http" : "tcp" }] : [];
  }
  return transports(endpoint).flatMap((kind): Part[] => {
    if (scopes === "*") return [{ endpoint: { ...endpoint, transport: kind }, kind }];
    const shared = scopes.flatMap((scope) => {
      return scope.kind === "port" && transports(scope).includes(kind) ? common(scope, endpoint) : [];
    });
    return merged(shared).map((range) => ({ endpoint: { kind: "port", transport: kind, ...range }, kind }));
  });
}

/**
 * Selects the scopes of a token that count for the mapping at `endpoint`: all of them if the token was `issued` (seconds since 1970)
 * after the endpoint became this mapping's (milliseconds; 0: it never was another's), else only wide ones, because a scope that
 * names one endpoint means the mapping of that time. Gateways own ports whatever is mapped there: `issued` is null for them.
 */
export function scopesFor(scopes: Scopes, endpoint: Endpoint, issued: number | null, since: number): Scopes {
  if (scopes === "*" || issued === null || issued * 1000 >= since) return scopes;
  return scopes.filter((scope) => isWide(scope, endpoint));
}

/**
 * Whether a scope is wide, so that it covers whatever is mapped within it: all services of a site, hosts with a star, ranges that
 * are wider than the mapping.
 */
export function isWide(scope: Scope, endpoint: Endpoint): boolean {
  switch (scope.kind) {
    case "services":
      return true;
    case "service":
      return false;
    case "http":
      return scope.host.startsWith("*.");
    case "port":
      if (scope.first === scope.last) return false;
      return endpoint.kind !== "port" || scope.first < endpoint.first || scope.last > endpoint.last;
  }
}

/** Whether a concrete endpoint, one port and transport, a service or a URL, lies within the scopes. */
export function isWithin(endpoint: Endpoint, scopes: Scopes): boolean {
  return scopes === "*" || scopes.some((scope) => covers(scope, endpoint));
}

function common(a: PortRange, b: PortRange): PortRange[] {
  const first = Math.max(a.first, b.first);
  const last = Math.min(a.last, b.last);
  return first <= last ? [{ first, last }] : [];
}
