import { transports, type PortEndpoint, type Transport } from "../../shared/address/endpoint.ts";
import type { MappingDraft } from "../../shared/rule/mapping-input.ts";
import {
  containsRange,
  formatPortRange,
  formatPorts,
  merged,
  parsePorts,
  type PortRange,
} from "../../shared/address/ports.ts";
import { isWithin, type Scopes } from "../../shared/rule/reach.ts";
import type { Parsed } from "../../shared/rule/parsed.ts";
import type { Problem } from "../problem.ts";
import { httpServingProblem } from "./platform-http.ts";

/** Where this edge runs, as far as it decides what can be served. */
export type Platform = {
  SELF_HOSTED?: string;
  TCP_PORTS?: string;
  SERVE_HINT?: string;
  TRUSTED_PROXIES?: string;
  SHARE_CONTROL_HOST?: string;
  GATEWAY_TCP?: string;
  GATEWAY_UDP?: string;
};

/**
 * Why this edge can't serve a mapping that is valid in itself, with the way to have it; undefined when it can.
 * `gateways`: what the tokens of gateways let them own.
 */
export function servingProblem(
  { mapping, endpoint }: Parsed<MappingDraft>,
  platform: Platform,
  urls: readonly string[],
  gateways: readonly Scopes[] = [],
): Problem | undefined {
  switch (endpoint.kind) {
    case "service":
      return undefined;
    case "http":
      return httpServingProblem(endpoint, platform, urls);
    case "port":
      // Reached by token through a client: no public port is opened.
      if (mapping.access === "token") return undefined;
      return transports(endpoint)
        .map((each) => portProblem(endpoint, each, platform, gateways))
        .find((each) => each !== undefined);
  }
}

/** Why nobody would own this public port: neither the Worker, nor the launcher's gateway, nor one that holds a token. */
function portProblem(
  range: PortEndpoint,
  transport: Transport,
  platform: Platform,
  gateways: readonly Scopes[],
): Problem | undefined {
  const { TCP_PORTS, GATEWAY_TCP, GATEWAY_UDP, SELF_HOSTED } = platform;
  const owned = transport === "tcp" ? [TCP_PORTS, GATEWAY_TCP] : [GATEWAY_UDP];
  const held = SELF_HOSTED === "1" ? owned.map((text) => parsePorts(text ?? "")) : [];
  if (held.some((ports) => ports.ok && containsRange(ports.value, range))) return undefined;
  if (gateways.some((scopes) => isWithin({ ...range, transport }, scopes))) return undefined;
  if (transport === "udp") return noUdp(range, platform);
  return SELF_HOSTED === "1" ? portNotHeld(range, platform) : noRawTcp();
}

/** workerd opens its ports when it starts, so a port it does not hold needs a restart: the very command is printed. */
function portNotHeld(wanted: PortRange, { TCP_PORTS = "", SERVE_HINT = "" }: Platform): Problem {
  const held = parsePorts(TCP_PORTS);
  const range = formatPortRange(wanted);
  const all = formatPorts(merged(held.ok ? [...held.value, wanted] : [wanted]));
  const command = `${SERVE_HINT === "" ? "sallyport serve …" : SERVE_HINT} --tcp ${all}`;
  const holds = held.ok ? `This edge holds the TCP ports ${formatPorts(held.value)}` : "This edge holds no TCP ports";
  return notOnThisEdge(
    "port-unheld",
    `${holds}; ${range} would have to be held since its start.`,
    `Restart the edge with: ${command}`,
  );
}

function noUdp(wanted: PortRange, { GATEWAY_UDP = "", SERVE_HINT = "", SELF_HOSTED }: Platform): Problem {
  const held = parsePorts(GATEWAY_UDP);
  const range = formatPortRange(wanted);
  const all = formatPorts(merged(held.ok ? [...held.value, wanted] : [wanted]));
  const gateway = `run a gateway on a machine with a public address: sallyport token gateway --endpoint ${range}/udp, then sallyport gateway there`;
  if (SELF_HOSTED !== "1")
    return notOnThisEdge(
      "udp-unserved",
      "A Worker can't own public UDP ports.",
      `To have one, ${gateway}. Or use --access token.`,
    );
  return notOnThisEdge(
    "udp-unserved",
    held.ok
      ? `This edge may open the UDP ports ${formatPorts(held.value)}, not ${range}.`
      : "This edge opens no UDP ports.",
    `Restart the edge with: ${SERVE_HINT === "" ? "sallyport serve …" : SERVE_HINT} --udp ${all}; or ${gateway}. Or use --access token.`,
  );
}

function noRawTcp(): Problem {
  return notOnThisEdge(
    "tcp-unserved",
    "Cloudflare gives Workers no public TCP ports.",
    "Use --access token: the port is then reached by token, from any machine, without being open to the internet. For a port that is, run a gateway on a machine with a public address: sallyport token gateway, then sallyport gateway there.",
  );
}

function notOnThisEdge(code: string, detail: string, fix: string): Problem {
  return { status: 422, code, title: "Not on this edge", detail, fix };
}
