import type { Caps } from "../../shared/rule/claims.ts";
import { parseAuthority, type Authority } from "../../shared/address/http-authority.ts";
import { MAX_PATH } from "../../shared/http/limits.ts";
import { routeHttp } from "../../shared/http/route.ts";
import { readTarget } from "../../shared/http/target.ts";
import type { Failure } from "../../shared/wire/errors.ts";
import { decide } from "../../shared/rule/policy.ts";
import type { Env } from "../env.ts";
import { errorPage, newRequestId } from "../http-error.ts";
import { problemResponse } from "../problem.ts";
import { encodeHttpVisit } from "../relay/doors/http-visit.ts";
import type { Relay } from "../relay/relay.ts";
import { relayOf } from "../relay/stub.ts";
import { storageProblem } from "../storage-problem.ts";
import { tokenFor } from "./http-login.ts";
import { rates } from "./rates.ts";
import { askAgain, hostsOf, isSameRoute, type HttpRoute } from "./http-routes.ts";
import { httpVisitorOf, type HttpVisitor } from "./http-visitor.ts";
import { healthz, isHealthz, isReserved, RESERVED, serveReserved } from "../reserved.ts";
import { writeRefusal } from "./write-refusal.ts";

/** A request at any host: for the edge itself, refused early, or passed to the relay of a site. */
export async function admitHttp(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
  try {
    return await admit(request, env, ctx);
  } catch (error) {
    const id = newRequestId();
    console.error(`request ${id}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    // Commands ask for what can be done about it; visitors can do nothing.
    const problem = isReserved(new URL(request.url).pathname) ? storageProblem(error) : undefined;
    if (problem !== undefined) return problemResponse(problem);
    return errorPage({ request, id, code: "internal" });
  }
}

async function admit(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
  // Answered without the registry, so that its failure is not reported as the edge's.
  if (isHealthz(request)) return healthz();
  const hosts = hostsOf(env);
  // Awaited only when it must be: this runs for every request there is.
  const known = hosts instanceof Promise ? await hosts : hosts;
  const visitor = httpVisitorOf(request, request.url.startsWith("https:") ? "https" : "http", env);
  const refuse = (code: Parameters<typeof errorPage>[0]["code"]): Response =>
    errorPage({ request, id: newRequestId(), code });
  const scheme = visitor?.scheme ?? "http";
  const asked = readTarget(request.method, request.url, request.headers.get("host"), scheme, authorityOf);
  if (!asked.ok) return refuse("bad-host");
  const { authority, path: target } = asked.value;
  let host = known.of(authority.host);
  if (target.length > MAX_PATH) return refuse("path-too-long");
  const question = target.indexOf("?");
  const path = question < 0 ? target : target.slice(0, question);
  // Agents and commands that reach the edge by its address are no reason to ask.
  const isStrange = host.kind === "unknown" || (host.kind === "address" && !isReserved(path));
  if (isStrange || host.routes.some(({ route }) => !route.relaySeen)) host = await askAgain(env, authority.host, host);
  if (isReserved(path)) return serveReserved({ request, env, ctx, ...host, authority, visitor, path });
  if (host.kind === "control" && path === "/" && (request.method === "GET" || request.method === "HEAD"))
    return new Response(null, { status: 302, headers: { location: RESERVED, "cache-control": "no-store" } });
  if (host.routes.length === 0) return refuse("no-such-host");
  if (visitor === undefined) return refuse("denied");
  const routed = routeHttp(host.routes, { scheme, host: authority.host, port: authority.port, path }, isSameRoute);
  if (!routed.ok) return refuse("ambiguous-path");
  if (routed.value === undefined) return refuse("no-such-host");
  return enter(request, env, ctx, routed.value, authority, visitor, target, host.kind === "shared");
}

async function enter(
  request: Request,
  env: Env,
  ctx: ExecutionContext,
  { route }: HttpRoute,
  authority: Authority,
  visitor: HttpVisitor,
  path: string,
  isShared: boolean,
): Promise<Response> {
  const { mapping, rule, grants } = route;
  const at = Date.now();
  const refuse = (failure: Failure, status?: number): Response => {
    const id = newRequestId();
    const told = { ...failure, reason: `${failure.reason} [request ${id}]` };
    ctx.waitUntil(writeRefusal(env, route, { at, visitor: visitor.text, endpoint: mapping.endpoint }, told));
    return errorPage({ request, id, code: failure.code, ...(status === undefined ? {} : { status }) });
  };
  let token = "";
  let caps: Caps = {};
  let until: number | null = null;
  let verdict = decide(rule, grants, { address: visitor.address, via: "public", now: at });
  if (!verdict.ok && mapping.access === "token") {
    const held = await tokenFor(request, env, route, visitor.address, authority, isShared);
    if (!held.ok) return held.response;
    ({ token, caps, until } = held);
    verdict = decide(rule, grants, { address: visitor.address, via: "token", now: at });
  }
  if (!verdict.ok) return refuse(verdict.failure);
  const excess = rates.take(mapping, visitor.address, at);
  if (excess !== null) return refuse(excess, 429);
  if (!route.relaySeen) return refuse({ code: "no-agent", reason: `no agent of ${route.site} has ever been online` });
  // Cloudflare ends what waits after an answer; in workerd the Worker lives as long as its WebSockets.
  const isSeverable = env.SELF_HOSTED === "1" && request.headers.get("upgrade") !== null;
  const key = isSeverable ? crypto.randomUUID() : "";
  const url = encodeHttpVisit({
    endpoint: mapping.endpoint,
    visitor: visitor.text,
    scheme: authority.scheme,
    host: authority.text,
    port: authority.port,
    path,
    via: visitor.via,
    token,
    judged: token === "" ? 0 : mapping.id,
    caps,
    until,
    key,
  });
  const relay = relayOf(env, route.relay);
  return isSeverable ? severable(relay, new Request(url, request), key, ctx) : await relay.fetch(url, request);
}

/** Passes a request for a WebSocket on, and breaks the WebSocket off when the relay says so: a relay can't by itself. */
async function severable(
  relay: DurableObjectStub<Relay>,
  request: Request,
  key: string,
  ctx: ExecutionContext,
): Promise<Response> {
  const abort = new AbortController();
  const response = await relay.fetch(request, { signal: abort.signal });
  // Any other error would be an uncaught exception in workerd's log; one that says "retryable" is a broken connection to it.
  const broken = Object.assign(new Error("broken off"), { retryable: true });
  const sever = (): void => abort.abort(broken);
  if (response.webSocket !== null) ctx.waitUntil(relay.severed(key).then(sever, () => undefined));
  return response;
}

/** Recently parsed hosts: parsing one costs more than looking it up. */
const read = new Map<string, Authority | undefined>();

function authorityOf(text: string, scheme: "http" | "https"): Authority | undefined {
  const key = `${scheme} ${text}`;
  const known = read.get(key);
  if (known !== undefined) return known;
  const authority = parseAuthority(text, scheme);
  if (authority !== undefined) {
    if (read.size >= 1_000) read.clear();
    read.set(key, authority);
  }
  return authority;
}
