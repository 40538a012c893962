import { audienceOf, parseClaims, type TokenKind } from "../../shared/claims.ts";
import { parseEdgeUrl } from "../../shared/edge-url.ts";
import { known } from "../../shared/result.ts";
import { EVERY_TARGET } from "../../shared/target-rule.ts";
import { done, invalid, refused, type Outcome, type Problem } from "../problem.ts";
import { signToken } from "../tokens.ts";
import { randomHex } from "./random.ts";
import { noSuchSite } from "./site-changes.ts";
import type { Actor, Store } from "./store.ts";
import type { TokenRequest } from "./token-request.ts";
import type { IssuedToken } from "./tokens.ts";

const DAY = 24 * 3600;

/** Seconds a token of each kind lives unless asked otherwise. Agents and gateways renew theirs. */
const LIFE: Record<TokenKind, number> = { agent: 365 * DAY, gateway: 365 * DAY, visitor: 90 * DAY, admin: 90 * DAY };

export type Issued = { token: string; jti: string; kind: TokenKind; sub: string; site: string | null; expires: number };

/** Issues a token: the only moment at which it is seen. `url` is the canonical one. */
export async function issueToken(
  store: Store,
  url: string,
  request: TokenRequest,
  actor: Actor,
): Promise<Outcome<Issued>> {
  const obstacle = inTheWay(store, url, request);
  if (obstacle !== undefined) return refused(obstacle);
  const { kind } = request;
  const iat = Math.floor(actor.now / 1000);
  const claims = parseClaims(kind, {
    iss: url,
    sub: subjectOf(request),
    aud: audienceOf(kind),
    iat,
    exp: iat + (request.life ?? LIFE[kind]),
    jti: randomHex(12),
    ...scopeOf(request),
  });
  if (!claims.ok) return invalid(claims.error);
  const { jti, sub, exp } = claims.value;
  const key = await store.keys.current(actor.now);
  const token = await signToken(kind, claims.value, key);
  store.tokens.prune(actor.now);
  store.keys.prune(actor.now);
  store.tokens.add(kind, claims.value, actor.name);
  store.keys.noteUse(key.kid, exp * 1000);
  store.journal.audit({ at: actor.now, actor: actor.name, action: `token ${kind}`, subject: jti, detail: sub });
  return done({ token, jti, kind, sub, site: request.kind === "agent" ? request.site : null, expires: exp * 1000 });
}

/** Revokes a token for ever: it opens nothing new, and what it opened is cut. */
export function revokeToken(store: Store, jti: string, actor: Actor): Outcome<IssuedToken> {
  const token = store.tokens.find(jti);
  if (token === undefined) {
    return refused({
      status: 404,
      code: "no-such-token",
      title: "Not found",
      detail: `There is no token ${JSON.stringify(jti)}.`,
      fix: "sallyport token ls shows all, by their JTI.",
    });
  }
  if (token.revoked !== null) return done(token);
  store.tokens.revoke(jti, actor.now);
  if (token.site !== null) store.sites.touch(token.site);
  else if (token.kind !== "admin") store.sites.touchAll();
  store.journal.audit({ at: actor.now, actor: actor.name, action: "token revoke", subject: jti, detail: token.sub });
  return done({ ...token, revoked: actor.now });
}

function inTheWay(store: Store, url: string, request: TokenRequest): Problem | undefined {
  if (request.kind !== "agent") return undefined;
  if (store.sites.find(request.site) === undefined) return noSuchSite(request.site);
  if (request.local === true || !known(parseEdgeUrl(url)).isLoopback) return undefined;
  return {
    status: 422,
    code: "url-loopback",
    title: "Not on this edge",
    detail: `The edge is known as ${url}, which an agent on another machine can't reach.`,
    fix: "Start it with --public-url URL, the address agents can dial; or say --local for an agent on this very machine.",
  };
}

/** The identity: a new one for every token asked for, the same when it is renewed. */
function subjectOf(request: TokenRequest): string {
  const where = request.kind === "agent" ? `agent:${request.site}` : request.kind;
  return `${where}:${randomHex(4)}`;
}

function scopeOf(request: TokenRequest): object {
  switch (request.kind) {
    case "agent":
      return { site: request.site, targets: request.targets ?? EVERY_TARGET, ...given({ publish: request.publish }) };
    case "visitor":
      return { endpoints: request.endpoints, ...given({ from: request.from, caps: request.caps }) };
    case "gateway":
      return { endpoints: request.endpoints ?? "*", bind: request.bind ?? "*" };
    case "admin":
      return { readOnly: request.readOnly ?? false };
  }
}

/** Without fields that are not there: a claim is absent, never undefined. */
function given(fields: Record<string, unknown>): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
