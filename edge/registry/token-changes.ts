import { audienceOf, parseClaims, type Claims, type TokenKind } from "../../shared/rule/claims.ts";
import { parseEdgeUrl } from "../../shared/address/edge-url.ts";
import { known } from "../../shared/result.ts";
import { CLOCK_SKEW, lifeOf, renewAt } from "../../shared/rule/token-life.ts";
import { networksAsked, OTHER_MACHINES } from "../../shared/address/target-rule.ts";
import { done, invalid, refused, type Outcome, type Problem } from "../problem.ts";
import { signToken } from "../tokens.ts";
import { randomHex } from "./random.ts";
import { noSuchSite } from "./site-changes.ts";
import type { Actor } from "./actor.ts";
import type { Store } from "./store.ts";
import type { TokenBytes } from "./token-bytes.ts";
import type { TokenRequest } from "./token-request.ts";
import type { IssuedToken } from "./tokens.ts";

const DAY = 24 * 3600;

/** Seconds a token of each kind lives unless asked otherwise. Agents and gateways renew theirs. */
const LIFE: Record<TokenKind, number> = { agent: 365 * DAY, gateway: 365 * DAY, visitor: 90 * DAY, admin: 90 * DAY };

export type Issued = { token: string; jti: string; kind: TokenKind; sub: string; site: string | null; expires: number };

/** What makes an admin token that of a browser: the hash of the key that has to come with it, and the identity it stands for. */
type BrowserSession = { session?: string | undefined; sub?: string };

/** Issues a token: the only moment at which it is seen. `url` is the canonical one. */
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
  // A session in the name of a token is no new right.
  if (browser.sub === undefined) store.journal.audit(actor, `token ${kind}`, jti, sub);
  else store.journal.auditRepeatable(actor, "session open", jti, sub);
  return done({ token, jti, kind, sub, site: request.kind === "agent" ? request.site : null, expires: exp * 1000 });
}

/** A successor of a token, or why there is none; `expires` in seconds since 1970. */
export type Renewed =
  | { ok: true; token: string; jti: string; expires: number }
  | { ok: false; code: "revoked" | "expired" | "early" | "too-many"; reason: string };

/** Successors that one token may have: an answer can get lost, but nobody needs many. */
const MAX_SUCCESSORS = 8;

/**
 * Renews an agent's or a gateway's token: the same identity and scope for as long again, from now. The old one stays
 * good to its end. `now` in milliseconds.
 */
export async function renewToken(store: Store, url: string, jti: string, now: number): Promise<Renewed> {
  const old = store.tokens.find(jti);
  // What is not listed any more could not be renewed anyway.
  if (old === undefined) return { ok: false, code: "expired", reason: "this token expired too long ago to be renewed" };
  if (old.revoked !== null) return { ok: false, code: "revoked", reason: "this token is revoked" };
  const life = lifeOf(old.claims, now / 1000);
  const renews = old.kind === "agent" || old.kind === "gateway";
  if (life === "dead" || !renews) return { ok: false, code: "expired", reason: "this token can't be renewed" };
  if ((life === "live" || life === "early") && now / 1000 < renewAt(old.claims) - CLOCK_SKEW) {
    const due = new Date(renewAt(old.claims) * 1000).toISOString();
    return { ok: false, code: "early", reason: `this token is renewed from ${due} on: is a clock wrong?` };
  }
  const actor = { name: renewalIssuer(jti), from: "", now };
  if (store.tokens.issuedBy(actor.name) >= MAX_SUCCESSORS) {
    return { ok: false, code: "too-many", reason: "this token was renewed often enough: use its successor" };
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

/** Withdraws a key that may be known to others: nothing that it signed is good any more, and all of that is cut. */
export async function withdrawKey(
  store: Store,
  kid: string,
  actor: Actor,
): Promise<Outcome<{ kid: string; revoked: string[] }>> {
  const keys = store.keys.verifying();
  if (!keys.some((key) => key.kid === kid)) {
    const fix = "sallyport token keys ls shows all.";
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
 * Revokes a token for ever, with all that it was renewed from and into: whoever holds one of them holds the same rights.
 * They open nothing new, and what they opened is cut.
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
      fix: "sallyport token ls shows all, by their JTI.",
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
 * Adds to what tokens have carried; one that has carried all it may is revoked, which cuts it wherever it is used.
 * Answers the new sums, in the order asked.
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

/** Bytes that a token may carry in its life; undefined without such a cap. */
export function bytesCapOf(claims: Claims): number | undefined {
  return claims.aud === "sallyport:visitor" ? claims.caps?.bytes : undefined;
}

function tokenProblem(store: Store, url: string, request: TokenRequest): Problem | undefined {
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

/** Without fields that are not there: a claim is absent, never undefined. */
function withoutUndefined(fields: Record<string, unknown>): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
