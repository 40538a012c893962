import { formatEndpoint, parseEndpoint, type Endpoint } from "../../shared/endpoint.ts";
import { mayOpen, type VisitorClaims } from "../../shared/claims.ts";
import { isWithin } from "../../shared/reach.ts";
import { known } from "../../shared/result.ts";
import { bracketed } from "../../shared/socket-address.ts";
import { registryOf, type Env } from "../env.ts";
import { problemResponse, type Problem } from "../problem.ts";
import { encodeVisit } from "../relay/visit.ts";
import { bearerOf } from "../tokens.ts";
import { callerOf } from "./caller.ts";
import { bridge } from "./raw-bridge.ts";
import { visitorOf } from "./visitor.ts";

const PREFIX = "/.sallyport/tcp/";
const COOKIE = "sallyport-tcp";
/** Seconds that a cookie opens its endpoint: long enough to load a page and connect. */
const COOKIE_LIFE = 600;

/**
 * `/.sallyport/tcp/<endpoint>`, as `/.sallyport/tcp/5900/tcp` or `/.sallyport/tcp/SITE/NAME`: one byte stream as a WebSocket,
 * the way websockify speaks it. By bearer, or by the cookie that a POST with the bearer answers, for pages in a browser;
 * `bearerOnly`: at a host that is the edge's own as well as endpoints', there are no cookies.
 */
export async function admitRaw(request: Request, env: Env, bearerOnly: boolean): Promise<Response> {
  const url = new URL(request.url);
  const endpoint = parseEndpoint(decodeURIComponent(url.pathname.slice(PREFIX.length)));
  if (!endpoint.ok) return refusal(404, "bad-endpoint", endpoint.error.message);
  // A page of somebody else may hold no connection of its visitor's, by whatever it is let in.
  const origin = request.headers.get("origin");
  if (origin !== null && origin !== url.origin) return refusal(403, "bad-origin", "This page is not of this host.");
  const isUpgrade = request.headers.get("upgrade")?.toLowerCase() === "websocket";
  if (!isUpgrade && (bearerOnly || request.method !== "POST"))
    return refusal(426, "not-a-websocket", "Connect with a WebSocket.");
  const address = visitorOf(request, env);
  // A cookie comes by itself: only a browser's own word of where it comes from makes it good.
  const token = bearerOf(request) ?? (isUpgrade && origin !== null && !bearerOnly ? cookieOf(request) : null);
  const caller = await callerOf(token, address, env);
  if ("status" in caller) return problemResponse({ ...caller, title: "Refused" });
  if (caller.kind !== "client" || !mayOpen(caller.claims, endpoint.value)) {
    return refusal(403, "denied", `This token does not open ${formatEndpoint(endpoint.value)}.`);
  }
  if (!isUpgrade) return giveCookie(env, caller.claims, endpoint.value, url);
  return connect(request, env, caller.claims, endpoint.value, address);
}

async function connect(
  request: Request,
  env: Env,
  claims: VisitorClaims,
  endpoint: Endpoint,
  address: string,
): Promise<Response> {
  const text = formatEndpoint(endpoint);
  const sites = await registryOf(env).reach([text]);
  const site = sites.find(({ endpoints }) =>
    endpoints.some((each) => each.kind === "tcp" && isWithin(endpoint, [known(parseEndpoint(each.endpoint))])),
  );
  if (site === undefined) return refusal(403, "denied", `Nothing is mapped to ${text}, or it is no byte stream.`);
  if (!site.relaySeen) return refusal(503, "no-agent", `No agent of ${site.site} has ever been online.`);
  const visit = { endpoint: text, visitor: bracketed(address), token: claims.jti, caps: claims.caps ?? {} };
  const socket = env.RELAY.getByName(site.relay).connect(encodeVisit(visit));
  const [visitor, server] = Object.values(new WebSocketPair()) as [WebSocket, WebSocket];
  bridge(server, socket, claims.exp * 1000);
  const offered = (request.headers.get("sec-websocket-protocol") ?? "").split(",").map((each) => each.trim());
  const headers = new Headers(offered.includes("binary") ? { "sec-websocket-protocol": "binary" } : {});
  return new Response(null, { status: 101, webSocket: visitor, headers });
}

/** A token of this endpoint alone, for a few minutes; it dies with the one it was made from. */
async function giveCookie(env: Env, claims: VisitorClaims, endpoint: Endpoint, url: URL): Promise<Response> {
  const now = Math.floor(Date.now() / 1000);
  const exp = Math.min(claims.exp, now + COOKIE_LIFE);
  const pass = await registryOf(env).signPass({ ...claims, endpoints: [formatEndpoint(endpoint)], exp });
  const secure = url.protocol === "https:" ? "; Secure" : "";
  const cookie = `${COOKIE}=${pass}; Path=${url.pathname}; HttpOnly; SameSite=Strict${secure}; Max-Age=${exp - now}`;
  return new Response(null, { status: 204, headers: { "set-cookie": cookie, "cache-control": "no-store" } });
}

function cookieOf(request: Request): string | null {
  for (const pair of (request.headers.get("cookie") ?? "").split(";")) {
    const [name, value] = pair.trim().split("=", 2);
    if (name === COOKIE && value !== undefined) return value;
  }
  return null;
}

function refusal(status: Problem["status"], code: string, detail: string): Response {
  return problemResponse({ status, code, title: "Refused", detail });
}
