import { mayChange } from "../../shared/rule/claims.ts";
import { done, refused, type Outcome } from "../problem.ts";
import { issueToken, type Issued } from "./token-changes.ts";
import type { Actor } from "./actor.ts";
import type { Store } from "./store.ts";

/** Maximum browsers logged in with one admin token. Another login ends the oldest session. */
const MAX_SESSIONS = 32;
/** Longest session of a browser, in seconds. */
export const MAX_SESSION_SECONDS = 12 * 3600;

/**
 * Opens a browser session for a verified admin token. It has the same identity and rights, so that revoking either revokes both,
 * and ends no later than the token. `session`: hash of the key that the browser must send with it.
 */
export async function openSession(
  store: Store,
  url: string,
  { jti, session, from }: { jti: string; session: string; from: string },
  now: number,
): Promise<Outcome<Issued>> {
  const token = store.tokens.find(jti);
  const { claims } = token ?? {};
  if (token === undefined || token.revoked !== null || claims?.aud !== "sallyport:admin") {
    return refused({
      status: 401,
      code: "token-refused",
      title: "Login refused",
      detail: "This needs a valid admin token.",
      fix: "sallyport token admin",
    });
  }
  const life = Math.max(1, Math.min(MAX_SESSION_SECONDS, claims.exp - Math.floor(now / 1000)));
  const actor: Actor = { name: claims.sub, from, now, ...(mayChange(claims) ? {} : { payer: claims.sub }) };
  // Each session is a row kept for half a day: without a limit, a read-only token could fill the table.
  store.tokens.endOldestSessions(claims.sub, MAX_SESSIONS - 1);
  return issueToken(store, url, { kind: "admin", readOnly: claims.readOnly, life }, actor, {
    session,
    sub: claims.sub,
  });
}

/** Ends one browser session. The admin token that opened it, if any, stays valid. */
export function endSession(store: Store, jti: string, actor: Actor): Outcome<{ jti: string }> {
  store.tokens.revoke(jti, actor.now);
  store.journal.auditRepeatable(actor, "session end", jti);
  return done({ jti });
}
