import { parseEndpoint, transports } from "../../shared/endpoint.ts";
import type { MappingDraft } from "../../shared/mapping-input.ts";
import { containsRange, formatPortRange, formatPorts, parsePorts, type PortRange } from "../../shared/ports.ts";
import { known } from "../../shared/result.ts";
import type { Problem } from "../problem.ts";
import { unservedHttp } from "./platform-http.ts";

/** Where this edge runs, as far as it decides what can be served. */
export type Platform = { SELF_HOSTED?: string; TCP_PORTS?: string; SERVE_HINT?: string; TRUSTED_PROXIES?: string };

/** Options that the grammar knows and nothing enforces yet: accepting them would be a promise not kept. */
const UNENFORCED = ["newPerSecond", "bytesPerSecond", "proxyProtocol", "idleSeconds"] as const;

/** Why this edge can't serve a mapping that is valid in itself, with the way to have it; undefined when it can. */
export function unserved(draft: MappingDraft, platform: Platform, urls: readonly string[]): Problem | undefined {
  const option = UNENFORCED.find((each) => draft[each] !== null);
  if (option !== undefined)
    return notHere("option-unserved", `This version does not do ${option}.`, `Leave ${option} out.`);
  const endpoint = known(parseEndpoint(draft.endpoint));
  switch (endpoint.kind) {
    case "service":
      return undefined;
    case "http":
      return unservedHttp(endpoint, platform, urls);
    case "port":
      // Reached by token through a client: no public port is opened.
      if (draft.access === "token") return undefined;
      if (transports(endpoint).includes("udp")) {
        return notHere(
          "udp-unserved",
          "The Worker can't own public UDP ports.",
          "Use --access token: it is then reached by token, with no public port.",
        );
      }
      return platform.SELF_HOSTED === "1" ? unheld(endpoint, platform) : noRawTcp();
  }
}

/** workerd opens its ports when it starts, so a port it does not hold needs a restart: the very command is printed. */
function unheld(wanted: PortRange, { TCP_PORTS = "", SERVE_HINT = "" }: Platform): Problem | undefined {
  const held = parsePorts(TCP_PORTS);
  if (held.ok && containsRange(held.value, wanted)) return undefined;
  const range = formatPortRange(wanted);
  const all = formatPorts(known(parsePorts(held.ok ? `${formatPorts(held.value)},${range}` : range)));
  const command = `${SERVE_HINT === "" ? "sallyport serve …" : SERVE_HINT} --tcp ${all}`;
  const holds = held.ok ? `This edge holds the TCP ports ${formatPorts(held.value)}` : "This edge holds no TCP ports";
  return notHere(
    "port-unheld",
    `${holds}; ${range} would have to be held since its start.`,
    `Restart the edge with: ${command}`,
  );
}

function noRawTcp(): Problem {
  return notHere(
    "tcp-unserved",
    "Cloudflare gives Workers no public TCP ports.",
    "Use --access token: the port is then reached by token, from any machine, without being open to the internet. For a port that is, run the edge yourself: sallyport serve --tcp PORTS.",
  );
}

function notHere(code: string, detail: string, fix: string): Problem {
  return { status: 422, code, title: "Not on this edge", detail, fix };
}
