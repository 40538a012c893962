import type { Address } from "../../shared/address/address.ts";
import type { Caps, VisitorClaims } from "../../shared/rule/claims.ts";
import { isWideFor, mayComeFrom, mayOpenAt, opensOf, type Opens } from "../../shared/rule/opens.ts";
import type { Authority } from "../../shared/address/http-authority.ts";
import { cookieName, cookieValue } from "../../shared/http/credentials.ts";
import { acceptsCookieLogin, isOrigin } from "../../shared/http/origin.ts";
import { routeHttp } from "../../shared/http/route.ts";
import type { Mapping } from "../../shared/rule/mapping.ts";
import { LOGIN_BODY, readBody } from "../body.ts";
import type { Env } from "../env.ts";
import { registryOf } from "../registry/stub.ts";
import { errorPage, newRequestId } from "../http-error.ts";
import { escapeHtml, page, prefersHtml } from "../http-page.ts";
import { bearerOf, verifyToken } from "../tokens.ts";
import { isSameRoute } from "./http-routes.ts";
import type { ReadRoute } from "./read-route.ts";
import type { ReservedVisit } from "./reserved-visit.ts";

const LOGIN = "/.sallyport/login";

/** Seconds a login lasts at most; then the token is asked for again. */
const LONGEST_LOGIN = 12 * 3600;
/** `token` by its jti; `until` is its end, in milliseconds since 1970. */
type Held = { ok: true; token: string; caps: Caps; until: number } | { ok: false; response: Response };

/**
 * The token that lets a request through to a mapping: a bearer's, or the one that a login put into a cookie.
 * `bearerOnly`: at a host that is the edge's own as well, cookies count for nothing.
 */
export async function tokenFor(
  request: Request,
  env: Env,
  route: ReadRoute,
  address: Address,
  authority: Authority,
  bearerOnly: boolean,
): Promise<Held> {
  const bearer = bearerOf(request);
  if (bearer !== null) {
    const token = await tokenIn(bearer, env, route, address);
    if (token !== null) return heldBy(token);
  }
  const { headers, method } = request;
  const cookie = bearerOnly ? null : cookieValue(headers.get("cookie"), loginCookie(route.mapping, authority));
  if (cookie === null) return { ok: false, response: askForToken(request, bearerOnly) };
  const upgrade = headers.get("upgrade") !== null;
  const asker = { method, upgrade, origin: headers.get("origin"), secFetchSite: headers.get("sec-fetch-site") };
  if (!acceptsCookieLogin(asker, authority))
    return { ok: false, response: errorPage({ request, id: newRequestId(), code: "bad-origin" }) };
  const token = await tokenIn(cookie, env, route, address);
  return token === null ? { ok: false, response: askForToken(request, bearerOnly) } : heldBy(token);
}

function heldBy({ claims: { jti, caps = {}, exp } }: Verified): Held {
  return { ok: true, token: jti, caps, until: exp * 1000 };
}

/** The login at hosts of endpoints: a form, and what comes of sending it. */
export async function loginPage({ request, env, routes, authority, visitor }: ReservedVisit): Promise<Response> {
  const { scheme, host, port } = authority;
  const nothing = (code: "no-such-host" | "denied"): Response => errorPage({ request, id: newRequestId(), code });
  if (visitor === undefined) return nothing("denied");
  if (request.method !== "POST") return form("/", "", 200);
  // A form on another site must not log a visitor in with that site's token.
  if (!isOrigin(request.headers.get("origin") ?? "", authority))
    return form("/", "This form was not sent from here. Please try again.", 403);
  const body = await readBody(request, LOGIN_BODY);
  if (!body.ok) return form("/", body.problem.detail, body.problem.status);
  const fields = new URLSearchParams(body.value);
  const to = /^\/(?![/\\])[\x21-\x7e]*$/.test(fields.get("to") ?? "") ? (fields.get("to") ?? "/") : "/";
  const routed = routeHttp(routes, { scheme, host, port, path: to.replace(/[?#].*$/, "") }, isSameRoute);
  if (!routed.ok || routed.value === undefined) return nothing("no-such-host");
  const { route } = routed.value;
  const { mapping, rule } = route;
  const token = await tokenIn((fields.get("token") ?? "").trim(), env, route, visitor.address);
  if (token === null) return form(to, "This token does not open this service.", 403);
  const { claims, opens } = token;
  const expires = Math.min(claims.exp, Math.floor(Date.now() / 1000) + LONGEST_LOGIN);
  const narrowed = { ...claims, endpoints: [mapping.endpoint], exp: expires };
  const pass = await registryOf(env).signPass(narrowed, isWideFor(opens, rule.endpoint, rule.endpoint));
  const headers = new Headers({ location: to, "cache-control": "no-store" });
  const secure = scheme === "https" ? "; Secure" : "";
  headers.append(
    "set-cookie",
    `${loginCookie(mapping, authority)}=${pass}; Path=/; HttpOnly; SameSite=Lax${secure}; Max-Age=${expires - Math.floor(Date.now() / 1000)}`,
  );
  return new Response(null, { status: 303, headers });
}

/** Recently verified tokens and their claims: verifying one costs as much as several requests. The relay refuses revoked ones. */
const verified = new Map<string, Verified>();
const VERIFIED_MS = 10_000;
type Verified = { readonly at: number; readonly claims: VisitorClaims; readonly opens: Opens };

/** Verifies a token that opens a route from this address; null if it is invalid or does not open it. */
async function tokenIn(
  text: string,
  env: Env,
  { rule: { endpoint }, since }: ReadRoute,
  address: Address,
): Promise<Verified | null> {
  const token = await verify(text, env);
  if (token === null || token.claims.exp * 1000 <= Date.now()) return null;
  const { claims, opens } = token;
  return mayOpenAt(opens, claims.iat, endpoint, endpoint, since) && mayComeFrom(opens, address) ? token : null;
}

async function verify(token: string, env: Env): Promise<Verified | null> {
  const before = verified.get(token);
  if (before !== undefined && Date.now() - before.at < VERIFIED_MS) return before;
  const registry = registryOf(env);
  const result = await verifyToken(token, "visitor", await registry.trust());
  if (!result.ok || (await registry.tokenState(result.claims.jti)) !== "live") {
    verified.delete(token);
    return null;
  }
  if (verified.size >= 500) verified.clear();
  const found = { at: Date.now(), claims: result.claims, opens: opensOf(result.claims) };
  verified.set(token, found);
  return found;
}

/** By the scheme, too: over TLS a cookie that any host of the same site could have set counts for nothing. */
function loginCookie(mapping: Mapping, { scheme }: Authority): string {
  return cookieName(String(mapping.id), scheme);
}

function askForToken(request: Request, bearerOnly: boolean): Response {
  const isPage =
    !bearerOnly &&
    prefersHtml(request.headers.get("accept") ?? "") &&
    (request.method === "GET" || request.method === "HEAD");
  if (isPage) return form(request.url.replace(/^https?:\/\/[^/]*/, "") || "/", "", 401);
  const headers = new Headers({
    "content-type": "application/problem+json",
    "cache-control": "no-store",
    "www-authenticate": 'Bearer realm="sallyport"',
  });
  const detail = "This service is open to holders of a token: send it as Authorization: Bearer TOKEN.";
  const problem = { type: "about:blank", status: 401, title: "Token needed", code: "token-needed", detail };
  return new Response(request.method === "HEAD" ? null : `${JSON.stringify(problem)}\n`, { status: 401, headers });
}

function form(to: string, trouble: string, status: number): Response {
  const headers = new Headers({ "cache-control": "no-store" });
  if (status === 401) headers.set("www-authenticate", 'Bearer realm="sallyport"');
  const body = `${trouble === "" ? "<p>This service is open to holders of a token.</p>" : `<p role="alert">${escapeHtml(trouble)}</p>`}
<form method="post" action="${LOGIN}">
<input type="hidden" name="to" value="${escapeHtml(to)}">
<input type="password" name="token" placeholder="Token" aria-label="Token" autocomplete="off" required autofocus>
<button>Open</button>
</form>`;
  return page("A token, please", body, { status, headers });
}
