import type { GrantView, IssuedView, MappingView, SiteView, StampView, TokenView } from "../../shared/rule/api.ts";
import type { Claims } from "../../shared/rule/claims.ts";
import type { Mapping, Stamp } from "../../shared/rule/mapping.ts";
import { etagOf } from "../registry/etag.ts";
import type { GrantWithMappings } from "../registry/grant-changes.ts";
import type { Site } from "../registry/sites.ts";
import { bytesCapOf, type Issued } from "../registry/token-changes.ts";
import type { IssuedToken } from "../registry/tokens.ts";

// Conversions from the registry's types to those of the API.

/** Formats a time, in milliseconds since 1970, as ISO 8601. */
export function iso(ms: number): string {
  return new Date(ms).toISOString();
}

export function siteView({ name, created, revision }: Site): SiteView {
  return { name, created: iso(created), revision };
}

/** `spent`: bytes that the token has carried, if they are counted. */
export function tokenView(token: IssuedToken, spent = 0): TokenView {
  const { jti, kind, sub, site, issued, issuedBy, expires, revoked, claims } = token;
  const cap = bytesCapOf(claims);
  return {
    jti,
    kind,
    sub,
    site,
    scope: scopeOf(claims),
    issued: iso(issued),
    issuedBy,
    expires: iso(expires),
    revoked: revoked !== null,
    revokedAt: revoked === null ? null : iso(revoked),
    bytes: cap === undefined ? null : { cap, spent },
  };
}

export function issuedView({ token, jti, kind, sub, site, expires }: Issued): IssuedView {
  return { token, jti, kind, sub, site, expires: iso(expires) };
}

/** `used`: when a visitor was last let in, in milliseconds since 1970. */
export function mappingView(mapping: Mapping, used?: number): MappingView {
  const { expires, created, changed } = mapping;
  return {
    ...mapping,
    expires: expires === null ? null : iso(expires),
    created: stampView(created),
    changed: stampView(changed),
    lastUsed: used === undefined ? null : iso(used),
    etag: etagOf(mapping),
  };
}

export function grantView({ grant, mappings }: GrantWithMappings): GrantView {
  const { id, to, by, addresses, created, until } = grant;
  return {
    id,
    endpoints: mappings.map(({ endpoint }) => endpoint),
    to,
    by,
    addresses: [...addresses],
    created: iso(created),
    until: iso(until),
  };
}

function stampView({ by, at }: Stamp): StampView {
  return { by, at: iso(at) };
}

function scopeOf(claims: Claims): string[] {
  switch (claims.aud) {
    case "sallyport:agent":
      return [...claims.targets];
    case "sallyport:visitor":
      return [...claims.endpoints];
    case "sallyport:gateway":
      return claims.endpoints === "*" ? ["*"] : claims.endpoints;
    case "sallyport:admin":
      return [claims.readOnly ? "read-only" : "all", ...(claims.session === undefined ? [] : ["browser"])];
  }
}
