import { audienceOf, parseClaims, type Claims, type TokenKind } from "../../shared/rule/claims.ts";
import { parseEdgeUrl } from "../../shared/address/edge-url.ts";
import { unwrap } from "../../shared/result.ts";
import { CLOCK_SKEW, lifeOf, renewAt } from "../../shared/rule/token-life.ts";
import { networksAsked, OTHER_MACHINES } from "../../shared/address/target-rule.ts";
import { done, invalid, refused, type Outcome, type Problem } from "../problem.ts";
import { signToken } from "../tokens.ts";
import { randomHex } from "./random.ts";
import { noSuchSiteProblem } from "./site-changes.ts";
import type { Actor } from "./actor.ts";
import type { Store } from "./store.ts";
import type { TokenBytes } from "./token-bytes.ts";
import type { TokenRequest } from "./token-request.ts";
import type { IssuedToken } from "./tokens.ts";

const DAY = 24 * 3600;

/** Default lifetime of each kind of token, in seconds. Agents and gateways renew their tokens. */
const LIFE: Record<TokenKind, number> = { agent: 365 * DAY, gateway: 365 * DAY, visitor: 90 * DAY, admin: 90 * DAY };

export type Issued = { token: string; jti: string; kind: TokenKind; sub: string; site: string | null; expires: number };

/** For the admin token of a browser session: the hash of the session's key, and the identity whose rights it has. */
type BrowserSession = { session?: string | undefined; sub?: string };

/** Issues a token. Only its claims are stored, so the token itself is returned just here. `url`: the edge's canonical URL. */
export async function issueToken(
  store: Store,
  url: string,
  request: TokenRequest,
  actor: Actor,
  browser: BrowserSession = {},
): Promise<Outcome<Issued>> {
  const problem = tokenProblem(store, url, request);
  if (problem !== undefined) return refused(problem);
  const { kind } = request;
  if (store.mappings.reassignments.clampToNow(actor.now)) store.sites.touchAll();
  const iat = kind === "visitor" ? store.mappings.reassignments.earliestIssue(actor.now) : Math.floor(actor.now / 1000);
  const claims = parseClaims(kind, {
    iss: url,
    sub: browser.sub ?? subjectOf(request),
    aud: audienceOf(kind),
    iat,
    exp: iat + (request.life ?? LIFE[kind]),
    jti: randomHex(12),
    ...scopeOf(request),
    ...withoutUndefined({ session: browser.session }),
  });
  if (!claims.ok) return invalid(claims.error);
  const { jti, sub, exp } = claims.value;
  const token = await sign(store, kind, claims.value, actor);
  // A browser session grants no new rights, so repeated ones share an entry.
  if (browser.sub === undefined) store.journal.audit(actor, `token ${kind}`, jti, sub);
  else store.journal.auditRepeatable(actor, "session open", jti, sub);
  return done({ token, jti, kind, sub, site: request.kind === "agent" ? request.site : null, expires: exp * 1000 });
}

/** The successor of a token, or why it can't be renewed. `expires`: seconds since 1970. */
export type Renewed =
  | { ok: true; token: string; jti: string; expires: number }
  | { ok: false; code: "revoked" | "expired" | "early" | "too-many"; reason: string };

/** Maximum successors of one token. More than one is needed only when an answer is lost. */
const MAX_SUCCESSORS = 8;

/**
 * Renews an agent's or a gateway's token: issues one with the same identity, scope and lifetime, from now. The old token stays valid
 * until it expires. `now`: milliseconds since 1970.
 */
export async function renewToken(store: Store, url: string, jti: string, now: number): Promise<Renewed> {
  const old = store.tokens.find(jti);
  // Tokens are deleted only when they can no longer be renewed.
  if (old === undefined) return { ok: false, code: "expired", reason: "this token expired too long ago to be renewed" };
  if (old.revoked !== null) return { ok: false, code: "revoked", reason: "this token is revoked" };
  const life = lifeOf(old.claims, now / 1000);
  const renews = old.kind === "agent" || old.kind === "gateway";
  if (life === "dead" || !renews) return { ok: false, code: "expired", reason: "this token can't be renewed" };
  if ((life === "live" || life === "early") && now / 1000 < renewAt(old.claims) - CLOCK_SKEW) {
    const due = new Date(renewAt(old.claims) * 1000).toISOString();
    return {
      ok: false,
      code: "early",
      reason: `this token can't be renewed before ${due}; check the clocks of this machine and the edge`,
    };
  }
  const actor = { name: renewalIssuer(jti), from: "", now };
  if (store.tokens.issuedBy(actor.name) >= MAX_SUCCESSORS) {
    return {
      ok: false,
      code: "too-many",
      reason: `this token was renewed ${MAX_SUCCESSORS} times already: use its latest successor`,
    };
  }
  const iat = Math.floor(now / 1000);
  const { exp, iat: since } = old.claims;
  const claims: Claims = { ...old.claims, iss: url, iat, exp: iat + (exp - since), jti: randomHex(12) };
  const token = await sign(store, old.kind, claims, actor);
  const detail = `${claims.sub}, after ${jti}`;
  store.journal.audit({ name: claims.sub, from: "", payer: claims.sub, now }, "token renew", claims.jti, detail);
  return { ok: true, token, jti: claims.jti, expires: claims.exp };
}

function renewalIssuer(jti: string): string {
  return `renewal of ${jti}`;
}

async function sign(store: Store, kind: TokenKind, claims: Claims, actor: Actor): Promise<string> {
  const key = await store.keys.current(actor.now);
  const token = await signToken(kind, claims, key);
  store.tokens.prune(actor.now);
  store.tokenBytes.prune();
  store.keys.prune(actor.now);
  store.tokens.add(kind, claims, actor.name, key.kid);
  store.keys.noteUse(key.kid, claims.exp * 1000);
  return token;
}

/** Withdraws a key that may have leaked: revokes all tokens that it signed and closes what they opened. */
export async function withdrawKey(
  store: Store,
  kid: string,
  actor: Actor,
): Promise<Outcome<{ kid: string; revoked: string[] }>> {
  const keys = store.keys.verifying();
  if (!keys.some((key) => key.kid === kid)) {
    const fix = "sallyport token keys ls lists all keys.";
    return refused({
      status: 404,
      code: "no-such-key",
      title: "Not found",
      detail: `There is no key ${JSON.stringify(kid)}.`,
      fix,
    });
  }
  if (keys[0]?.kid === kid) await store.keys.rotate(actor.now);
  store.keys.withdraw(kid);
  const revoked = store.tokens.revokeSignedBy(kid, actor.now);
  store.sites.touchAll();
  const detail = `revoked ${revoked.length} tokens`;
  store.journal.audit(actor, "key withdraw", kid, detail);
  return done({ kid, revoked });
}

/**
 * Revokes a token permanently, together with all tokens that it was renewed from or into, because they carry the same rights.
 * They open nothing new, and the relays close what they opened.
 */
export function revokeToken(
  store: Store,
  jti: string,
  actor: Actor,
  action: "token revoke" | "token spent" = "token revoke",
): Outcome<IssuedToken> {
  const token = store.tokens.find(jti);
  if (token === undefined) {
    return refused({
      status: 404,
      code: "no-such-token",
      title: "Not found",
      detail: `There is no token ${JSON.stringify(jti)}.`,
      fix: "sallyport token ls lists all tokens with their JTI.",
    });
  }
  if (token.revoked !== null) return done(token);
  store.tokens.revokeIdentity(token.sub, actor.now);
  if (token.site !== null) store.sites.touch(token.site);
  else if (token.kind !== "admin") store.sites.touchAll();
  store.journal.audit(actor, action, jti, token.sub);
  return done({ ...token, revoked: actor.now });
}

/**
 * Adds bytes carried by tokens. Revokes a token that has reached its cap, which closes all that it opened.
 * Returns the new sums, in the order of `spendings`.
 */
export function addTokenBytes(store: Store, spendings: readonly TokenBytes[], now: number): number[] {
  return spendings.map((spending) => {
    const sum = store.tokenBytes.add(spending);
    const token = store.tokens.find(spending.jti);
    const cap = token === undefined ? undefined : bytesCapOf(token.claims);
    if (cap !== undefined && sum >= cap)
      revokeToken(store, spending.jti, { name: "registry", from: "", now }, "token spent");
    return sum;
  });
}

/** Returns the bytes that a token may carry in its lifetime; undefined if it has no such cap. */
export function bytesCapOf(claims: Claims): number | undefined {
  return claims.aud === "sallyport:visitor" ? claims.caps?.bytes : undefined;
}

function tokenProblem(store: Store, url: string, request: TokenRequest): Problem | undefined {
  if (request.kind !== "agent") return undefined;
  if (store.sites.find(request.site) === undefined) return noSuchSiteProblem(request.site);
  if (request.local === true || !unwrap(parseEdgeUrl(url)).isLoopback) return undefined;
  return {
    status: 422,
    code: "url-loopback",
    title: "Edge URL is loopback",
    detail: `The edge is known as ${url}, which an agent on another machine can't reach.`,
    fix: "Start it with --public-url URL, an address that agents can dial; or use --local for an agent on the edge's own machine.",
  };
}

/** Creates the identity (`sub`) of a new token; its renewals keep it. */
function subjectOf(request: TokenRequest): string {
  const where = request.kind === "agent" ? `agent:${request.site}` : request.kind;
  return `${where}:${randomHex(4)}`;
}

function scopeOf(request: TokenRequest): object {
  switch (request.kind) {
    case "agent":
      return {
        site: request.site,
        targets: request.targets?.flatMap(networksAsked) ?? OTHER_MACHINES,
        ...withoutUndefined({ publish: request.publish }),
      };
    case "visitor":
      return { endpoints: request.endpoints, ...withoutUndefined({ from: request.from, caps: request.caps }) };
    case "gateway":
      return { endpoints: request.endpoints ?? "*", bind: request.bind ?? "*" };
    case "admin":
      return { readOnly: request.readOnly ?? false };
  }
}

/** Removes undefined fields, because a claim must be absent rather than undefined. */
function withoutUndefined(fields: Record<string, unknown>): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
