import type { Env } from "../env.ts";
import { registryOf } from "../registry/stub.ts";
import { problemResponse, type Problem } from "../problem.ts";
import { PASS_HEADER, type LanePass } from "../relay/lanes/attachment.ts";
import { relayOf } from "../relay/stub.ts";
import { bearerOf, tokenRefused, verifyToken } from "../tokens.ts";
import { visitorOf } from "./visitor.ts";

/**
 * The answer to unknown tokens at an edge without sites. They may become valid once an export is imported, and an agent that is
 * refused with 401 does not try again.
 */
export const NO_SITES: Problem = {
  status: 503,
  code: "no-sites",
  title: "Lane refused",
  detail: "This edge has no sites yet.",
  fix: "sallyport site add NAME, or sallyport import FILE",
};
const RETRY = { "retry-after": "5" };

/** Admits an agent's lane. Verifies its token here, so that a bad one never wakes a relay. */
export async function admitAgent(request: Request, env: Env): Promise<Response> {
  const registry = registryOf(env);
  const now = Date.now();
  const verified = await verifyToken(bearerOf(request), "agent", await registry.trust(), now, true);
  if (!verified.ok) return (await registry.isNew) ? problemResponse(NO_SITES, RETRY) : tokenRefused();
  if ((await registry.tokenState(verified.claims.jti)) !== "live") return tokenRefused();
  const refusal = laneProblem(request);
  if (refusal !== undefined) return problemResponse(refusal);
  const { claims } = verified;
  const relay = await registry.relayForAgent(claims.site);
  if (relay === null) return tokenRefused();
  const pass: LanePass = {
    kind: "agent",
    site: claims.site,
    identity: claims.sub,
    jti: claims.jti,
    expires: claims.exp,
    renewOnly: claims.exp * 1000 <= now,
    targets: claims.targets,
    address: visitorOf(request, env),
  };
  const headers = new Headers({ upgrade: "websocket", [PASS_HEADER]: JSON.stringify(pass) });
  return relayOf(env, relay).fetch("https://relay/lane", { headers });
}

/** Returns why a request can't open a lane; undefined if it can. */
export function laneProblem(request: Request): Problem | undefined {
  const refused = (status: 400 | 426, code: string, detail: string): Problem => ({
    status,
    code,
    title: "Lane refused",
    detail,
  });
  if (request.headers.get("upgrade")?.toLowerCase() !== "websocket")
    return refused(426, "not-a-websocket", "Lanes are WebSockets.");
  const protocols = (request.headers.get("sec-websocket-protocol") ?? "").split(",").map((each) => each.trim());
  if (!protocols.includes("sallyport.v1"))
    return refused(400, "bad-subprotocol", "Offer the sub-protocol sallyport.v1.");
  return undefined;
}
