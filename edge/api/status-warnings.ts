import type { AgentView, SiteStatus } from "../../shared/rule/api.ts";
import type { TokenKind } from "../../shared/rule/claims.ts";
import { isExpired, type Mapping } from "../../shared/rule/mapping.ts";
import { isOlder, VERSION } from "../../shared/wire/version.ts";
import type { Unreadable } from "../registry/mappings.ts";
import type { IssuedToken } from "../registry/tokens.ts";
import { iso } from "./views.ts";

const DAY = 24 * 3600_000;
/** Milliseconds before a token's expiry at which warnings start. */
const WARN_MS = 30 * DAY;
/** Milliseconds without a visitor after which a mapping may no longer be needed. */
const UNUSED_MS = 30 * DAY;
/** Limit on warnings of each kind. */
const MAX_LISTED = 5;

type Register = {
  tokens: readonly IssuedToken[];
  mappings: readonly Mapping[];
  unreadable: readonly Unreadable[];
  uses: ReadonlyMap<number, number>;
};

/** Lists the warnings of a status: expiring tokens, version differences, and unreadable, expired or unused mappings. */
export function statusWarnings(
  sites: readonly SiteStatus[],
  { mappings, unreadable, uses, tokens }: Register,
  now: number,
): string[] {
  const agents = sites.flatMap(({ name, agents: each }) => each.map((agent) => ({ site: name, agent })));
  return [
    ...agents.flatMap(({ site, agent }) => [...expiryWarnings(site, agent, now), ...versionWarnings(site, agent)]),
    ...limited(
      tokens
        .filter((token) => isEnding(token, now) && !agents.some(({ agent }) => agent.identity === token.sub))
        .map(
          ({ kind, jti, sub, site, expires }) =>
            `The ${kind} token ${jti} of ${sub}${site === null ? "" : ` at ${site}`} ${expires > now ? "expires" : "expired"} ${iso(expires)}${TOKEN_FIX[kind]}`,
        ),
    ),
    ...limited(
      unreadable.map(
        ({ id, endpoint, fault }) =>
          `Mapping ${id} (${endpoint}) is not in force, because this version can't read it: ${fault.message} Update the edge, or: sallyport map rm ${endpoint}`,
      ),
    ),
    ...limited(
      mappings
        .filter((mapping) => isExpired(mapping, now))
        .map(
          ({ endpoint, expires }) =>
            `${endpoint} expired on ${iso(expires ?? 0).slice(0, 10)}: sallyport map rm ${endpoint}, or map edit ${endpoint} --expires 90d.`,
        ),
    ),
    ...limited(
      mappings
        .filter((mapping) => isUnused(mapping, uses, now))
        .map(
          ({ endpoint }) =>
            `${endpoint} has had no visitor for 30 days: is it still needed? (sallyport map ls --unused)`,
        ),
    ),
  ];
}

/** How to replace an expiring token, by kind. */
const TOKEN_FIX: Record<TokenKind, string> = {
  agent: ": start its agent, which renews it, or issue another.",
  gateway: ": start its gateway, which renews it, or issue another.",
  visitor: ": it is not renewed; sallyport token visitor issues another.",
  admin: ": sallyport token admin issues another.",
};

/**
 * Tells whether a token expires soon or expired lately: within 30 days, or a third of its life if that is shorter. Excludes the
 * tokens of logins, which expire often; admin tokens issued for programs count.
 */
function isEnding(token: IssuedToken, now: number): boolean {
  const { issued, expires } = token;
  return !isLogin(token) && Math.abs(expires - now) < Math.min(WARN_MS, (expires - issued) / 3);
}

function isLogin({ claims, issuedBy }: IssuedToken): boolean {
  return claims.aud === "sallyport:admin" && (issuedBy === "login" || claims.session !== undefined);
}

function isUnused(mapping: Mapping, uses: ReadonlyMap<number, number>, now: number): boolean {
  const used = Math.max(uses.get(mapping.id) ?? 0, mapping.changed.at);
  return used < now - UNUSED_MS && !isExpired(mapping, now);
}

function expiryWarnings(site: string, agent: AgentView, now: number): string[] {
  if (Date.parse(agent.expires) - now > WARN_MS) return [];
  return [`The token of ${agent.identity} at ${site} expires ${agent.expires}.`];
}

function versionWarnings(site: string, { identity, version }: AgentView): string[] {
  if (version === VERSION || version === "") return [];
  return isOlder(version, VERSION)
    ? [`${identity} at ${site} is version ${version}, behind the edge's ${VERSION}: update that agent.`]
    : [`The edge is version ${VERSION}, behind the ${version} of ${identity} at ${site}: update the edge.`];
}

function limited(all: string[]): string[] {
  return all.length <= MAX_LISTED
    ? all
    : [...all.slice(0, MAX_LISTED), `and ${all.length - MAX_LISTED} more of this kind.`];
}
