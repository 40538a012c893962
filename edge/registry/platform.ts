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

/** The variables of the edge's environment that decide which endpoints it can serve. */
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
 * Returns why this edge can't serve a mapping that is itself valid, and the fix; undefined if it can.
 * `gateways`: the scopes of valid gateway tokens.
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
      // A client reaches it by token: no public port is opened.
      if (mapping.access === "token") return undefined;
      return transports(endpoint)
        .map((each) => portProblem(endpoint, each, platform, gateways))
        .find((each) => each !== undefined);
  }
}

/**
 * Returns why this public port would not be opened by the Worker, by the launcher's gateway, or by a gateway with a token;
 * undefined if one of them would.
 */
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
  if (transport === "udp") return noUdpProblem(range, platform);
  return SELF_HOSTED === "1" ? portNotHeldProblem(range, platform) : noRawTcpProblem();
}

/**
 * Reports a TCP port that workerd has not opened. It opens ports only at its start, so the fix is the exact command for a restart.
 */
function portNotHeldProblem(wanted: PortRange, { TCP_PORTS = "", SERVE_HINT = "" }: Platform): Problem {
  const held = parsePorts(TCP_PORTS);
  const range = formatPortRange(wanted);
  const all = formatPorts(merged(held.ok ? [...held.value, wanted] : [wanted]));
  const command = `${SERVE_HINT === "" ? "sallyport serve …" : SERVE_HINT} --tcp ${all}`;
  const open = held.ok
    ? `This edge has the TCP ports ${formatPorts(held.value)} open, not ${range}`
    : "This edge has no TCP ports open";
  return notOnThisEdge(
    "port-unheld",
    `${open}; it opens TCP ports only when it starts.`,
    `Restart the edge with: ${command}`,
  );
}

function noUdpProblem(wanted: PortRange, { GATEWAY_UDP = "", SERVE_HINT = "", SELF_HOSTED }: Platform): Problem {
  const held = parsePorts(GATEWAY_UDP);
  const range = formatPortRange(wanted);
  const all = formatPorts(merged(held.ok ? [...held.value, wanted] : [wanted]));
  const gateway = `run a gateway on a machine with a public address: sallyport token gateway --endpoint ${range}/udp, then sallyport gateway there`;
  if (SELF_HOSTED !== "1")
    return notOnThisEdge(
      "udp-unserved",
      "A Worker can't open public UDP ports.",
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

function noRawTcpProblem(): Problem {
  return notOnThisEdge(
    "tcp-unserved",
    "A Worker on Cloudflare can't open public TCP ports.",
    "Use --access token: clients then reach the port by token, from any machine, and it is not open to the internet. For a public port, run a gateway on a machine with a public address: sallyport token gateway, then sallyport gateway there.",
  );
}

function notOnThisEdge(code: string, detail: string, fix: string): Problem {
  return { status: 422, code, title: "Not available on this edge", detail, fix };
}
