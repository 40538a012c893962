import { parseAddress } from "../../shared/address.ts";
import { splitHostPort } from "../../shared/socket-address.ts";
import type { Env } from "../env.ts";

/**
 * The address of whoever is at the other end, canonical; "" if unknown.
 * Self-hosted, a client can send CF-Connecting-IP itself: only what workerd saw counts (request.cf.clientIp, "ip:port").
 */
export function visitorOf(request: Request, env: Env): string {
  const seen = env.SELF_HOSTED === "1" ? clientIp(request) : request.headers.get("cf-connecting-ip");
  const address = parseAddress(seen ?? "");
  return address.ok ? address.value.text : "";
}

function clientIp(request: Request): string | undefined {
  const clientIp = (request.cf as { clientIp?: unknown } | undefined)?.clientIp;
  return typeof clientIp === "string" ? (splitHostPort(clientIp)?.host ?? clientIp) : undefined;
}
