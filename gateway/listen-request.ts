import {
  concreteEndpoints,
  formatEndpoint,
  parseEndpoint,
  type Endpoint,
  type Transport,
} from "../shared/address/endpoint.ts";
import { parsePort } from "../shared/address/ports.ts";
import { formatHostPort, parseListen, splitHostPort } from "../shared/address/socket-address.ts";
import { Problem } from "../link/problem.ts";

/** Where to listen for one concrete endpoint, and the endpoint's canonical text. Port 0: any free one. */
export type Listening = { text: string; endpoint: Endpoint; transport: Transport; host: string; port: number };

/** A request on the command line to listen for an endpoint: `E` or `E=LOCALADDR`. */
export type ListenRequest = { text: string; endpoint: Endpoint; host: string | null; port: number | null };

/** Parses `8080/tcp`, `8080/tcp=127.0.0.1:18080`, `5060/udp=15060`, `warehouse-3/ssh=2222`. Throws Problem(usage). */
export function parseListenRequest(word: string): ListenRequest {
  const at = word.indexOf("=");
  const text = at < 0 ? word : word.slice(0, at);
  const endpoint = parseEndpoint(text);
  if (!endpoint.ok) throw Problem.usage(endpoint.error.code, endpoint.error.message, endpoint.error.fix ?? "");
  if (endpoint.value.kind === "http") {
    throw Problem.usage("bad-endpoint", `${text} is an HTTP endpoint, which browsers open`, "name a port or SITE/NAME");
  }
  if (at < 0) return { text, endpoint: endpoint.value, host: null, port: null };
  return { text, endpoint: endpoint.value, ...parseLocal(word.slice(at + 1)) };
}

/** Lists where to listen for a request, port by port. Without an address in it: at `otherwise`, and the endpoint's own port, or any for a service. */
export function listeningsFor({ endpoint, host, port }: ListenRequest, otherwise: string): Listening[] {
  const first = endpoint.kind === "port" ? endpoint.first : 0;
  const base = port ?? first;
  return concreteEndpoints(endpoint).map((concrete): Listening => {
    const index = concrete.kind === "port" ? concrete.first - first : 0;
    return {
      text: formatEndpoint(concrete),
      endpoint: concrete,
      transport: concrete.kind === "port" && concrete.transport === "udp" ? "udp" : "tcp",
      host: host ?? otherwise,
      port: base === 0 ? 0 : base + index,
    };
  });
}

export function showListening({ text, host, port }: Listening): string {
  return `${text} at ${formatHostPort(host, port)}`;
}

/** Parses `127.0.0.1:18080`, `[::1]:18080`, `18080`, or an address alone, which takes the endpoint's own port. Throws Problem(usage). */
function parseLocal(text: string): { host: string; port: number | null } {
  const listen = parseListen(text);
  if (listen.ok) return { host: listen.value.address.text, port: listen.value.port };
  const split = splitHostPort(text);
  const alone = parsePort(text).ok || split === undefined ? listen : parseListen(`${text}:1`);
  if (alone.ok && split?.port === undefined) return { host: alone.value.address.text, port: null };
  throw Problem.usage("bad-address", listen.error.message, listen.error.fix ?? "write ADDRESS:PORT");
}
