import { parseAddress } from "../../shared/address/address.ts";
import { parseEdgeUrl } from "../../shared/address/edge-url.ts";
import { formatEndpoint, type HttpEndpoint } from "../../shared/address/endpoint.ts";
import { bracketed } from "../../shared/address/socket-address.ts";
import type { Problem } from "../problem.ts";

/** Ports that Cloudflare proxies on every plan. */
const CLOUDFLARE_PORTS = {
  http: [80, 8080, 8880, 2052, 2082, 2086, 2095],
  https: [443, 2053, 2083, 2087, 2096, 8443],
} as const;

const DEFAULT_PORT = { http: 80, https: 443 } as const;

/**
 * Returns why requests for this endpoint can't reach the edge; undefined if they can. `urls`: the edge's own, the canonical one
 * first.
 */
export function httpServingProblem(
  endpoint: HttpEndpoint,
  platform: { SELF_HOSTED?: string; TRUSTED_PROXIES?: string; SHARE_CONTROL_HOST?: string },
  urls: readonly string[],
): Problem | undefined {
  const own = urls.map((url) => parseEdgeUrl(url)).flatMap((url) => (url.ok ? [url.value] : []));
  if (platform.SHARE_CONTROL_HOST !== "1" && own.some(({ host }) => host === endpoint.host)) {
    return refusal(
      "control-host",
      `${endpoint.host} is the edge's own host: a service there would share its origin with the dashboard and the API.`,
      `Choose another host that leads to this edge, such as ${bracketed(endpoint.host).startsWith("[") || parseAddress(endpoint.host).ok ? "app.localhost or a DNS name" : `app.${endpoint.host}`}; if there is no other, allow it with: sallyport serve --share-control-host`,
    );
  }
  const [canonical] = urls;
  return platform.SELF_HOSTED === "1" ? selfHostedProblem(endpoint, platform, canonical) : cloudflareProblem(endpoint);
}

/** Checks an endpoint of a self-hosted edge, which has one HTTP socket; a proxy in front of it may have others. */
function selfHostedProblem(
  endpoint: HttpEndpoint,
  { TRUSTED_PROXIES = "" }: { TRUSTED_PROXIES?: string },
  canonical: string | undefined,
): Problem | undefined {
  const match = /^(https?):\/\/.*?(?::(\d+))?$/.exec(canonical ?? "");
  if (match === null || TRUSTED_PROXIES !== "") return undefined;
  const scheme = match[1] === "https" ? "https" : "http";
  const port = match[2] === undefined ? DEFAULT_PORT[scheme] : Number(match[2]);
  const fitting = formatEndpoint({ ...endpoint, scheme, port: endpoint.port === null ? null : port });
  const proxied = "or put a proxy in front of it and name that: sallyport serve --trusted-proxy CIDR";
  if (endpoint.scheme !== scheme) {
    const how = scheme === "http" ? "has no certificate (serve --tls-cert F --tls-key F)" : "speaks TLS only";
    return refusal(
      "scheme-unserved",
      `This edge ${how}, so ${endpoint.scheme}:// requests can't reach it.`,
      `Write ${fitting}, ${proxied}`,
    );
  }
  if (endpoint.port === null || endpoint.port === port) return undefined;
  return refusal(
    "http-port-unheld",
    `This edge serves ${scheme}:// on port ${port} only.`,
    `Write ${fitting}, ${proxied}`,
  );
}

function cloudflareProblem(endpoint: HttpEndpoint): Problem | undefined {
  const { scheme, host, port } = endpoint;
  if (parseAddress(host).ok)
    return refusal(
      "host-unserved",
      "Cloudflare serves host names, not IP addresses.",
      "Choose a host of a zone in your account.",
    );
  if (host.endsWith(".workers.dev")) {
    return refusal(
      "host-unserved",
      "A Worker has only its own name under workers.dev, and the edge uses that.",
      "Choose a host of a zone in your account, and attach it to the Worker as a custom domain.",
    );
  }
  if (port === null || (CLOUDFLARE_PORTS[scheme] as readonly number[]).includes(port)) return undefined;
  return refusal(
    "http-port-unserved",
    `Cloudflare does not proxy port ${port} for ${scheme}.`,
    `Choose one of ${CLOUDFLARE_PORTS[scheme].join(", ")}.`,
  );
}

function refusal(code: string, detail: string, fix: string): Problem {
  return { status: 422, code, title: "Not available on this edge", detail, fix };
}
