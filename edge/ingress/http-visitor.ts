import { parseAddress, type Address } from "../../shared/address/address.ts";
import { allows, parseCidr, type Cidr } from "../../shared/address/cidr.ts";
import { formatHostPort, splitHostPort } from "../../shared/address/socket-address.ts";
import type { Env } from "../env.ts";

/** The address, scheme and proxies of a request. */
export type HttpVisitor = {
  address: Address;
  /** `ip:port`; port 0 if a proxy did not pass it on. */
  text: string;
  scheme: "http" | "https";
  /** Trusted proxies in between, nearest to the visitor first. */
  via: string[];
};

/**
 * Determines the visitor of a request; undefined if that is not possible. Believes only trusted proxies, and only about the
 * address that connected to them.
 */
export function httpVisitorOf(request: Request, scheme: "http" | "https", env: Env): HttpVisitor | undefined {
  const { headers } = request;
  if (env.SELF_HOSTED !== "1") return visitor(headers.get("cf-connecting-ip") ?? "", "0", scheme, []);
  const seen = (request.cf as { clientIp?: unknown } | undefined)?.clientIp;
  const peer = typeof seen === "string" ? splitHostPort(seen) : undefined;
  const port = peer?.port ?? "0";
  const trusted = trustedProxies(env);
  const direct = visitor(peer?.host ?? "", port, scheme, []);
  if (direct === undefined || trusted.length === 0 || !allows(trusted, [], direct.address)) return direct;
  const proto = headers.get("x-forwarded-proto")?.trim().toLowerCase();
  const asked = proto === "https" || proto === "http" ? proto : scheme;
  const chain = (headers.get("x-forwarded-for") ?? "")
    .split(",")
    .map((each) => each.trim())
    .filter((each) => each !== "");
  const via = [direct.address.text];
  for (let at = chain.length - 1; at >= 0; at -= 1) {
    const next = visitor(splitHostPort(chain[at] ?? "")?.host ?? chain[at] ?? "", "0", asked, via);
    // A trusted proxy wrote an address that can't be parsed, so the visitor is unknown.
    if (next === undefined) return undefined;
    if (!allows(trusted, [], next.address) || at === 0) return next;
    via.unshift(next.address.text);
  }
  return { ...direct, scheme: asked };
}

function visitor(host: string, port: string, scheme: "http" | "https", via: string[]): HttpVisitor | undefined {
  const address = parseAddress(host);
  if (!address.ok) return undefined;
  return { address: address.value, text: formatHostPort(address.value.text, port), scheme, via };
}

let parsed: { text: string; cidrs: Cidr[] } = { text: "", cidrs: [] };

function trustedProxies({ TRUSTED_PROXIES = "" }: Env): readonly Cidr[] {
  if (parsed.text !== TRUSTED_PROXIES) {
    const cidrs = TRUSTED_PROXIES.split(",")
      .map((each) => parseCidr(each.trim()))
      .filter((each) => each.ok);
    parsed = { text: TRUSTED_PROXIES, cidrs: cidrs.map((each) => each.value) };
  }
  return parsed.cidrs;
}
