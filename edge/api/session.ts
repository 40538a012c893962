import { Hono } from "hono";
import * as z from "zod";
import type { EndedSession, OpenedSession, SessionView } from "../../shared/rule/api.ts";
import { parseEdgeUrl } from "../../shared/address/edge-url.ts";
import { LOGIN_BODY } from "../body.ts";
import { registryOf } from "../registry/stub.ts";
import { visitorOf } from "../ingress/visitor.ts";
import { problemResponse, refused, type Outcome } from "../problem.ts";
import { randomHex } from "../registry/random.ts";
import type { LoginResult } from "../registry/login.ts";
import { secretHash } from "../registry/secret.ts";
import { MAX_SESSION_SECONDS } from "../registry/browser-session.ts";
import { verifyToken } from "../tokens.ts";
import { askerOf, bodyOf, sourceOf, type ApiContext, type ApiEnv } from "./context.ts";
import { isOwnPage, mayHaveSession, setSessionCookie } from "./cookie.ts";
import { requireAdmin } from "./guard.ts";
import { iso } from "./views.ts";

export const SessionBody = z.strictObject({
  /** The admin secret, or an admin token. */
  secret: z.string().min(1).max(8192),
});

/** Browser sessions: POST opens one, GET returns its holder, DELETE ends it. */
export const sessionRoutes = new Hono<ApiEnv>()
  .post("/", async (c) => {
    const refusal = sessionRefusal(c);
    if (refusal !== undefined) return refusal;
    const body = await bodyOf(c, SessionBody, LOGIN_BODY);
    if (!body.ok) return body.response;
    const key = randomHex(32);
    const outcome = await openSession(c, body.value.secret.trim(), await secretHash(key));
    if (!outcome.ok) return problemResponse(outcome.problem);
    const { token, sub, expires, url, readOnly } = outcome.value;
    setSessionCookie(c, token, Math.floor((expires - Date.now()) / 1000));
    c.header("cache-control", "no-store");
    return c.json({ key, sub, readOnly, expires: iso(expires), url } satisfies OpenedSession, 201);
  })
  .get("/", requireAdmin, async (c) => {
    const { sub, readOnly, exp } = c.var.admin;
    const { issuers } = await registryOf(c.env).trust();
    return c.json({ sub, readOnly, expires: iso(exp * 1000), url: issuers[0] ?? "" } satisfies SessionView);
  })
  .delete("/", requireAdmin, async (c) => {
    const { jti, session } = c.var.admin;
    if (session === undefined) return problemResponse(NO_SESSION);
    await registryOf(c.env).endSession(jti, askerOf(c));
    setSessionCookie(c, "", 0);
    return c.json({ jti } satisfies EndedSession);
  });

const NO_SESSION = {
  status: 404,
  code: "no-session",
  title: "Not found",
  detail: "This token does not belong to a browser session.",
  fix: "sallyport token revoke JTI",
} as const;

/** Matches a token. An admin secret may contain dots, but does not look like this. */
const TOKEN = /^ey[\w-]+\.[\w-]+\.[\w-]+$/;

async function openSession(
  c: ApiContext,
  secret: string,
  session: string,
): Promise<Outcome<LoginResult & { readOnly: boolean }>> {
  const registry = registryOf(c.env);
  if (!TOKEN.test(secret)) {
    const { scheme, host } = c.env.visit;
    const outcome = await registry.login({
      secret,
      source: sourceOf(c),
      from: visitorOf(c.req.raw, c.env),
      session,
      life: MAX_SESSION_SECONDS,
      url: `${scheme}://${host}`,
    });
    return outcome.ok ? { ok: true, value: { ...outcome.value, readOnly: false } } : outcome;
  }
  const verified = await verifyToken(secret, "admin", await registry.trust());
  // The token of a browser session is only half of it, so it can't open another session.
  const claims = verified.ok && verified.claims.session === undefined ? verified.claims : undefined;
  const outcome =
    claims === undefined
      ? refused(TOKEN_REFUSED)
      : await registry.openSession(claims.jti, session, visitorOf(c.req.raw, c.env));
  if (outcome.ok) return { ok: true, value: { ...outcome.value, readOnly: claims?.readOnly === true } };
  if (outcome.problem.status === 401)
    await registry.loginRefused({ source: sourceOf(c), reason: "not a valid admin token" });
  return outcome;
}

const TOKEN_REFUSED = {
  status: 401,
  code: "token-refused",
  title: "Login refused",
  detail: "That is not a valid admin token of this edge.",
  fix: "sallyport token admin",
} as const;

/** Returns the refusal when no session may be opened here: wrong host, another origin, or an unencrypted connection. */
function sessionRefusal(c: ApiContext): Response | undefined {
  const { scheme, host } = c.env.visit;
  if (!mayHaveSession(c)) {
    return problemResponse({
      status: 403,
      code: "not-this-host",
      title: "Not on this host",
      detail: "Browser sessions are not allowed on this host, because other pages may share it.",
      fix: "Open the dashboard at the edge's own URL.",
    });
  }
  if (!isOwnPage(c)) {
    return problemResponse({
      status: 403,
      code: "cross-origin",
      title: "Cross-origin request",
      detail: "A page of another origin can't log in.",
    });
  }
  const url = parseEdgeUrl(`${scheme}://${host}`);
  if (!url.ok || !url.value.isPlain || url.value.isLoopback) return undefined;
  return problemResponse({
    status: 403,
    code: "insecure",
    title: "Not over plain http",
    detail: "The connection is not encrypted: anyone on the network path could read the admin secret.",
    fix: "Give the edge a certificate (serve --tls-cert F --tls-key F), put a TLS proxy in front (--trusted-proxy), or reach it by ssh -L 8787:127.0.0.1:8787.",
  });
}
