import { formatEndpoint, parseEndpoint, type Endpoint } from "../../shared/address/endpoint.ts";
import type { VisitorClaims } from "../../shared/rule/claims.ts";
import { isWideFor, mayOpen, mayOpenAt, opensOf } from "../../shared/rule/opens.ts";
import type { Authority } from "../../shared/address/http-authority.ts";
import { cookieName, cookieValue } from "../../shared/http/credentials.ts";
import { isOrigin } from "../../shared/http/origin.ts";
import { fault, type Result } from "../../shared/result.ts";
import { bracketed } from "../../shared/address/socket-address.ts";
import type { Env } from "../env.ts";
import { registryOf } from "../registry/stub.ts";
import { problemResponse, type Problem } from "../problem.ts";
import type { Route } from "../registry/types.ts";
import { encodeVisit } from "../relay/doors/tcp-visit.ts";
import { relayOf } from "../relay/stub.ts";
import { bearerOf } from "../tokens.ts";
import { callerOf } from "./caller.ts";
import { bridge } from "./raw-bridge.ts";
import { readRoute } from "./read-route.ts";
import type { ReservedVisit } from "./reserved-visit.ts";
import { visitorOf } from "./visitor.ts";

const PREFIX = "/.sallyport/tcp/";
/** Lifetime of the cookie, in seconds: long enough to load a page and connect. */
const COOKIE_LIFE = 600;

/**
 * Serves `/.sallyport/tcp/<endpoint>`, such as `/.sallyport/tcp/5900/tcp` or `/.sallyport/tcp/SITE/NAME`: one byte stream as a
 * WebSocket, as in websockify. The token is a bearer or, for pages in a browser, the cookie that a POST with the bearer sets.
 * A host shared by the edge and endpoints sets no cookies.
 */
export async function admitRaw({ request, env, kind, authority, path }: ReservedVisit): Promise<Response> {
  const endpoint = endpointIn(path);
  if (!endpoint.ok) return refusal(404, "bad-endpoint", endpoint.error.message);
  // A page of another site may not connect on behalf of its visitor, with any kind of token.
  const origin = request.headers.get("origin");
  if (origin !== null && !isOrigin(origin, authority))
    return refusal(403, "bad-origin", "The page's origin is another host.");
  const bearerOnly = kind === "shared";
  const isUpgrade = request.headers.get("upgrade")?.toLowerCase() === "websocket";
  if (!isUpgrade && (bearerOnly || request.method !== "POST"))
    return refusal(426, "not-a-websocket", "Connect with a WebSocket.");
  const address = visitorOf(request, env);
  // Browsers send cookies by themselves, so a cookie counts only together with the browser's Origin header.
  const token =
    bearerOf(request) ??
    (isUpgrade && origin !== null && !bearerOnly
      ? cookieValue(request.headers.get("cookie"), cookieFor(endpoint.value, authority))
      : null);
  const caller = await callerOf(token, address, env);
  if ("status" in caller) return problemResponse({ ...caller, title: "Refused" });
  const text = formatEndpoint(endpoint.value);
  const opens = opensOf(caller.claims);
  if (caller.kind !== "client" || !mayOpen(opens, endpoint.value))
    return refusal(403, "denied", `This token does not open ${text}.`);
  const route = isByteStream(endpoint.value) ? await registryOf(env).route(text) : null;
  if (route === null) return refusal(403, "denied", `Nothing is mapped to ${text}, or it is not a byte stream.`);
  const { endpoint: mapped } = readRoute(route).rule;
  if (!mayOpenAt(opens, caller.claims.iat, endpoint.value, mapped, route.since))
    return refusal(403, "denied", `This token was issued for an earlier mapping of ${text}.`);
  const isWide = isWideFor(opens, endpoint.value, mapped);
  if (!isUpgrade) return giveCookie(env, caller.claims, isWide, endpoint.value, authority, path);
  return connect(request, env, caller.claims, route, text, address);
}

/** Parses the endpoint that a path names, escaped or not. The path is untrusted. */
function endpointIn(path: string): Result<Endpoint> {
  try {
    return parseEndpoint(decodeURIComponent(path.slice(PREFIX.length)));
  } catch {
    return fault("bad-endpoint", "This path can't be decoded.", "Write the endpoint as it is: 5900/tcp or SITE/NAME.");
  }
}

function isByteStream(endpoint: Endpoint): boolean {
  return endpoint.kind === "service" || (endpoint.kind === "port" && endpoint.transport === "tcp");
}

function connect(
  request: Request,
  env: Env,
  claims: VisitorClaims,
  { site, relay, relaySeen, mapping }: Route,
  text: string,
  address: string,
): Response {
  if (!relaySeen) return refusal(503, "no-agent", `No agent of ${site} has ever been online.`);
  const { jti: token, caps = {} } = claims;
  const visit = { endpoint: text, visitor: bracketed(address), token, caps, judged: mapping.id };
  const socket = relayOf(env, relay).connect(encodeVisit(visit));
  const [visitor, server] = Object.values(new WebSocketPair()) as [WebSocket, WebSocket];
  bridge(server, socket, claims.exp * 1000, address);
  const offered = (request.headers.get("sec-websocket-protocol") ?? "").split(",").map((each) => each.trim());
  const headers = new Headers(offered.includes("binary") ? { "sec-websocket-protocol": "binary" } : {});
  return new Response(null, { status: 101, webSocket: visitor, headers });
}

/** Sets a cookie with a token for this endpoint only, valid for a few minutes, and revoked with the token it was made from. */
async function giveCookie(
  env: Env,
  claims: VisitorClaims,
  isWide: boolean,
  endpoint: Endpoint,
  authority: Authority,
  path: string,
): Promise<Response> {
  const now = Math.floor(Date.now() / 1000);
  const exp = Math.min(claims.exp, now + COOKIE_LIFE);
  const pass = await registryOf(env).signPass({ ...claims, endpoints: [formatEndpoint(endpoint)], exp }, isWide);
  // A browser accepts names with `__Host-` only with Path=/.
  const where = authority.scheme === "https" ? "; Path=/; Secure" : `; Path=${path}`;
  const cookie = `${cookieFor(endpoint, authority)}=${pass}${where}; HttpOnly; SameSite=Strict; Max-Age=${exp - now}`;
  return new Response(null, { status: 204, headers: { "set-cookie": cookie, "cache-control": "no-store" } });
}

/**
 * Returns the cookie's name. Without TLS its path distinguishes endpoints; with TLS a cookie is valid for the whole host, so its
 * name does.
 */
function cookieFor(endpoint: Endpoint, { scheme }: Authority): string {
  return cookieName(scheme === "http" ? "tcp" : `tcp-${encodeURIComponent(formatEndpoint(endpoint))}`, scheme);
}

function refusal(status: Problem["status"], code: string, detail: string): Response {
  return problemResponse({ status, code, title: "Refused", detail });
}
