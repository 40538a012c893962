import { parseAddress } from "../../shared/address/address.ts";
import type { GatewayClaims, VisitorClaims } from "../../shared/rule/claims.ts";
import { mayComeFrom, opensOf } from "../../shared/rule/opens.ts";
import type { Env } from "../env.ts";
import { registryOf } from "../registry/stub.ts";
import type { SiteReach } from "../registry/reach.ts";
import { problemResponse, type Problem } from "../problem.ts";
import { PASS_HEADER, type LanePass } from "../relay/lanes/attachment.ts";
import { relayOf } from "../relay/stub.ts";
import { BEARER, bearerOf, TOKEN_REFUSED, verifyToken } from "../tokens.ts";
import { NO_SITES, laneProblem } from "./lane.ts";
import { visitorOf } from "./visitor.ts";

/** A client or a gateway with its verified token. */
export type Caller = { kind: "client"; claims: VisitorClaims } | { kind: "gateway"; claims: GatewayClaims };

/**
 * Serves `GET /.sallyport/connect`: without an upgrade, lists the sites and endpoints that the token reaches; with an upgrade and
 * `?site=NAME`, opens a lane to that site. A bad token never wakes a relay, and only agents create one.
 */
export async function admitCaller(request: Request, env: Env): Promise<Response> {
  const address = visitorOf(request, env);
  const caller = await callerOf(bearerOf(request), address, env, true);
  if ("status" in caller) return problemResponse(caller, caller.status === 401 ? BEARER : {});
  const reached = await registryOf(env).reach(caller.claims.endpoints, issuedOf(caller));
  if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") return listing(caller, reached);
  const wrong = laneProblem(request);
  if (wrong !== undefined) return problemResponse(wrong);
  const name = new URL(request.url).searchParams.get("site");
  const site = reached.find((each) => each.site === name);
  if (site === undefined)
    return refusal(403, "no-such-site", `This token opens nothing at the site ${JSON.stringify(name ?? "")}.`);
  if (!site.relaySeen) {
    return refusal(503, "no-agent", `No agent of ${site.site} has ever been online.`, { "retry-after": "1" });
  }
  const headers = new Headers({ upgrade: "websocket", [PASS_HEADER]: JSON.stringify(passOf(caller, site, address)) });
  return relayOf(env, site.relay).fetch("https://relay/lane", { headers });
}

/**
 * Verifies a visitor or gateway token, and that it may be used from this address. Returns the refusal otherwise.
 * `lapsed`: also accept an expired gateway token that can still be renewed.
 */
export async function callerOf(
  token: string | null,
  address: string,
  env: Env,
  lapsed = false,
): Promise<Caller | Problem> {
  const registry = registryOf(env);
  const trust = await registry.trust();
  const now = Date.now();
  const visitor = await verifyToken(token, "visitor", trust, now);
  const verified = visitor.ok ? visitor : await verifyToken(token, "gateway", trust, now, lapsed);
  if (!verified.ok) return (await registry.isNew) ? NO_SITES : TOKEN_REFUSED;
  if ((await registry.tokenState(verified.claims.jti)) !== "live") return TOKEN_REFUSED;
  if (!visitor.ok) return { kind: "gateway", claims: verified.claims as GatewayClaims };
  const from = parseAddress(address);
  if (visitor.claims.from !== undefined && !(from.ok && mayComeFrom(opensOf(visitor.claims), from.value))) {
    return problem(
      403,
      "denied",
      `This token may not be used from ${address === "" ? "an unknown address" : address}.`,
    );
  }
  return { kind: "client", claims: visitor.claims };
}

function passOf(caller: Caller, { site }: SiteReach, address: string): LanePass {
  const { kind, claims } = caller;
  const { sub: identity, jti, exp: expires, endpoints } = claims;
  const scope = kind === "client" ? { from: claims.from, caps: claims.caps } : {};
  const renewOnly = expires * 1000 <= Date.now();
  const issued = issuedOf(caller);
  return { kind, site, identity, jti, issued, expires, renewOnly, address, endpoints, ...scope };
}

/**
 * Returns when a visitor token was issued, because it opens only mappings of that time; null for a gateway, whose token covers
 * ports.
 */
function issuedOf({ kind, claims }: Caller): number | null {
  return kind === "client" ? claims.iat : null;
}

function listing({ kind, claims }: Caller, reached: readonly SiteReach[]): Response {
  // With an expired token, a gateway only needs the sites at which it can renew it.
  const isLapsed = claims.exp * 1000 <= Date.now();
  const sites = reached.map(({ site, relaySeen, endpoints }) => ({
    site,
    seen: relaySeen,
    endpoints: isLapsed ? [] : endpoints,
  }));
  return Response.json({ kind, expires: claims.exp, sites }, { headers: { "cache-control": "no-store" } });
}

function problem(status: Problem["status"], code: string, detail: string): Problem {
  return { status, code, title: "Lane refused", detail };
}

function refusal(
  status: Problem["status"],
  code: string,
  detail: string,
  headers: Record<string, string> = {},
): Response {
  return problemResponse(problem(status, code, detail), headers);
}
