import { parseHost, parseHostName } from "./host.ts";
import { parseName } from "./name.ts";
import { formatPortRange, parsePort, parsePortRange, type PortRange, sharedPort } from "./ports.ts";
import { fault, ok, quote, type Result } from "../result.ts";
import { bracketed, splitHostPort } from "./socket-address.ts";

export type Transport = "tcp" | "udp";

/** Public ports: `8080/tcp`, `5060/tcp+udp`, `10000-10019/udp`. */
export interface PortEndpoint extends PortRange {
  readonly kind: "port";
  readonly transport: Transport | "tcp+udp";
}

/**
 * A host, perhaps one of its ports (null: any that the platform serves), perhaps only the paths under `prefix` (`/app`, or
 * empty).
 */
export interface HttpEndpoint {
  readonly kind: "http";
  readonly scheme: "http" | "https";
  /** Canonical; `*.example.com` is any one label in place of the star. IPv6 has no brackets here. */
  readonly host: string;
  readonly port: number | null;
  readonly prefix: string;
}

/** `SITE/NAME`: no public port; a TCP service reached by token. */
export interface ServiceEndpoint {
  readonly kind: "service";
  readonly site: string;
  readonly name: string;
}

export type Endpoint = PortEndpoint | HttpEndpoint | ServiceEndpoint;

const MAX_LENGTH = 512;
const MAX_PREFIX = 256;
// Unreserved characters only (RFC 3986), which have no second spelling and no meaning in a path or a cookie.
const SEGMENT = /^[A-Za-z0-9._~-]+$/;
const FORMS = "Write 8080/tcp, 5060/udp, 10000-10019/udp, https://HOST[:PORT][/PREFIX] or SITE/NAME.";

/** Parses any form of an endpoint. */
export function parseEndpoint(text: string): Result<Endpoint> {
  if (text.length > MAX_LENGTH)
    return fault("bad-endpoint", `An endpoint has at most ${MAX_LENGTH} characters.`, FORMS);
  const url = /^(https?):\/\/(.*)$/s.exec(text);
  if (url) return parseHttp(url[1] === "https" ? "https" : "http", url[2] ?? "");
  const [before = "", after, ...rest] = text.split("/");
  if (after === undefined && /^[\d,-]+$/.test(text)) {
    return fault(
      "bad-endpoint",
      `${quote(text)} names no transport.`,
      `Write ${text}/tcp, ${text}/udp or ${text}/tcp+udp.`,
    );
  }
  if (after === undefined || rest.length > 0) return fault("bad-endpoint", `${quote(text)} is not an endpoint.`, FORMS);
  return /^[\d,-]+$/.test(before) ? parsePorts(before, after) : parseService(before, after);
}

function parsePorts(ports: string, transport: string): Result<Endpoint> {
  if (transport !== "tcp" && transport !== "udp" && transport !== "tcp+udp") {
    return fault(
      "bad-endpoint",
      `${quote(transport)} is not a transport.`,
      `Write ${ports}/tcp, ${ports}/udp or ${ports}/tcp+udp.`,
    );
  }
  if (ports.includes(",")) {
    return fault("bad-endpoint", "An endpoint is one port or one range.", "Add one mapping for each part of the list.");
  }
  const range = parsePortRange(ports);
  return range.ok ? ok({ kind: "port", transport, ...range.value }) : range;
}

function parseService(siteText: string, nameText: string): Result<Endpoint> {
  const site = parseName(siteText, "site");
  if (!site.ok) return fault("bad-endpoint", site.error.message, FORMS);
  const name = parseName(nameText, "service");
  return name.ok ? ok({ kind: "service", site: site.value, name: name.value }) : name;
}

function parseHttp(scheme: "http" | "https", rest: string): Result<Endpoint> {
  const slash = rest.indexOf("/");
  const authority = slash < 0 ? rest : rest.slice(0, slash);
  if (authority.includes("@"))
    return fault("bad-endpoint", "An endpoint has no user or password.", "Remove everything up to the @.");
  const split = splitHostPort(authority);
  if (!split) return fault("bad-endpoint", `${quote(authority)} is not HOST or HOST:PORT.`, FORMS);
  const host = split.host.startsWith("*.") ? parseWildcard(split.host) : parseHost(split);
  if (!host.ok) return host;
  const port = split.port === undefined ? ok(null) : parsePort(split.port);
  if (!port.ok) return port;
  const prefix = slash < 0 ? ok("") : parsePrefix(rest.slice(slash));
  return prefix.ok ? ok({ kind: "http", scheme, host: host.value, port: port.value, prefix: prefix.value }) : prefix;
}

function parseWildcard(text: string): Result<string> {
  const parent = parseHostName(text.slice(2));
  return parent.ok ? ok(`*.${parent.value}`) : parent;
}

/** Parses `/app/v2`; a trailing slash is dropped. */
function parsePrefix(path: string): Result<string> {
  const prefix = path.replace(/\/$/, "");
  if (prefix === "") return ok("");
  const segments = prefix.slice(1).split("/");
  if (prefix.length > MAX_PREFIX || !segments.every((segment) => SEGMENT.test(segment) && !/^\.\.?$/.test(segment))) {
    return fault("bad-endpoint", `${quote(path)} is not a prefix.`, "Write plain segments, such as /app or /shop/v2.");
  }
  if (segments[0] === ".sallyport") {
    return fault("bad-endpoint", "/.sallyport/ belongs to the edge itself.", "Choose another prefix.");
  }
  return ok(prefix);
}

/** The canonical text; equal endpoints have equal text and `parseEndpoint` gives the endpoint back. */
export function formatEndpoint(endpoint: Endpoint): string {
  switch (endpoint.kind) {
    case "port":
      return `${formatPortRange(endpoint)}/${endpoint.transport}`;
    case "http": {
      const port = endpoint.port === null ? "" : `:${endpoint.port}`;
      return `${endpoint.scheme}://${bracketed(endpoint.host)}${port}${endpoint.prefix}`;
    }
    case "service":
      return `${endpoint.site}/${endpoint.name}`;
  }
}

/** The transports of an endpoint: TCP for a service, which is a byte stream; none for HTTP. */
export function transports(endpoint: Endpoint): readonly Transport[] {
  switch (endpoint.kind) {
    case "port":
      return endpoint.transport === "tcp+udp" ? ["tcp", "udp"] : [endpoint.transport];
    case "http":
      return [];
    case "service":
      return ["tcp"];
  }
}

/**
 * Lists everything that an endpoint occupies: each port and transport, a URL, a service. A single one is returned itself, as
 * the same object.
 */
export function concreteEndpoints(endpoint: Endpoint): Endpoint[] {
  if (endpoint.kind !== "port" || (endpoint.first === endpoint.last && endpoint.transport !== "tcp+udp"))
    return [endpoint];
  const { first, last } = endpoint;
  return transports(endpoint).flatMap((transport) =>
    Array.from({ length: last - first + 1 }, (_, index): Endpoint => {
      return { kind: "port", transport, first: first + index, last: first + index };
    }),
  );
}

/** The same as canonical texts: `5060/tcp` and `5060/udp`, every port of a range, else itself. */
export function endpointKeys(endpoint: Endpoint): string[] {
  return concreteEndpoints(endpoint).map(formatEndpoint);
}

/**
 * Finds something that both endpoints would occupy (`8080/tcp`, a URL, `SITE/NAME`); undefined if there is nothing.
 * Hosts that differ in port or prefix don't overlap: the more exact one is served.
 */
export function overlap(a: Endpoint, b: Endpoint): string | undefined {
  if (a.kind === "port" && b.kind === "port") {
    const transport = transports(a).find((each) => transports(b).includes(each));
    const port = sharedPort(a, b);
    return transport && port ? `${port}/${transport}` : undefined;
  }
  const text = formatEndpoint(a);
  return text === formatEndpoint(b) ? text : undefined;
}
