import { registryOf, type Env } from "../env.ts";
import { PASS_HEADER } from "../relay/relay.ts";
import type { LanePass } from "../relay/attachment.ts";
import { bearerOf, verifyToken } from "../tokens.ts";
import { visitorOf } from "./visitor.ts";

/** An agent's lane: verified here, so that a bad token never wakes a relay. */
export async function admitAgent(request: Request, env: Env): Promise<Response> {
  const refused = (status: number, code: string, detail: string): Response =>
    Response.json({ type: "about:blank", status, code, title: "Lane refused", detail }, { status, headers: { "content-type": "application/problem+json" } });
  if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") return refused(426, "not-a-websocket", "Lanes are WebSockets.");
  const protocols = (request.headers.get("sec-websocket-protocol") ?? "").split(",").map((each) => each.trim());
  if (!protocols.includes("sallyport.v1")) return refused(400, "bad-subprotocol", "Offer the sub-protocol sallyport.v1.");
  const registry = registryOf(env);
  const verified = await verifyToken(bearerOf(request), "agent", await registry.trust(), Date.now());
  if (!verified.ok) return refused(401, verified.code, verified.reason);
  const { claims } = verified;
  if ((await registry.tokenState(claims.jti)) !== "live") return refused(401, "revoked", "This token is revoked.");
  const relay = await registry.relayOf(claims.site);
  if (relay === null) return refused(403, "no-such-site", `There is no site ${claims.site} on this edge.`);
  const pass: LanePass = {
    kind: "agent",
    site: claims.site,
    relay,
    identity: claims.sub,
    jti: claims.jti,
    expires: claims.exp,
    address: visitorOf(request, env),
  };
  const headers = new Headers({ upgrade: "websocket", [PASS_HEADER]: JSON.stringify(pass) });
  return env.RELAY.getByName(relay).fetch("https://relay/lane", { headers });
}
