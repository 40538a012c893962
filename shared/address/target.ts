import { parseAddress } from "./address.ts";
import { isNoTarget } from "./address-class.ts";
import { parseHost } from "./host.ts";
import { formatPortRange, parsePortRange, type PortRange, rangeSize } from "./ports.ts";
import { fault, ok, quote, type Result } from "../result.ts";
import { bracketed, formatHostPort, type HostPort, splitHostPort } from "./socket-address.ts";

/** `192.168.2.5:554`, `[fd00::5]:22`, `nvr.lan:554`, or with a range of ports. TCP or UDP, as the endpoint says. */
export interface PortTarget extends PortRange {
  readonly kind: "port";
  readonly host: string;
}

/** `http://192.168.2.101:8080` or `https://nas.lan`; the port is always known. */
export interface HttpTarget {
  readonly kind: "http";
  readonly scheme: "http" | "https";
  readonly host: string;
  readonly port: number;
}

/** A socket on the agent's machine: `unix:/run/app.sock`, a byte stream, or `http+unix:/run/app.sock`, an HTTP server. */
export interface UnixTarget {
  readonly kind: "unix" | "http+unix";
  readonly path: string;
}

/** What an agent dials. Hosts are canonical. The agent decides whether it may dial, by the resolved address. */
export type Target = PortTarget | HttpTarget | UnixTarget;

const MAX_LENGTH = 512;
/** Most bytes of a socket's path: Linux's sun_path without the final zero. */
const MAX_PATH = 107;
const DEFAULT_PORT = { http: 80, https: 443 } as const;
const FORMS = "Write HOST:PORT, [IPV6]:PORT, http(s)://HOST[:PORT] or unix:/PATH.";

/** Parses any form of a target. */
export function parseTarget(text: string): Result<Target> {
  if (text.length > MAX_LENGTH) return fault("bad-target", `A target has at most ${MAX_LENGTH} characters.`, FORMS);
  // No spaces, controls, userinfo, escapes or queries: no other program can read a target in another way.
  if (/[^\x21-\x7e]|[@#?%\\]/.test(text)) {
    return fault("bad-target", `${quote(text)} has characters that no target may have.`, FORMS);
  }
  const scheme = /^(https?):\/\/(.*)$/.exec(text);
  if (scheme) return parseHttpTarget(scheme[1] === "https" ? "https" : "http", scheme[2] ?? "");
  const socket = /^(unix|http\+unix):(.*)$/.exec(text);
  if (socket) return parseUnixTarget(socket[1] === "unix" ? "unix" : "http+unix", socket[2] ?? "");
  return parsePortTarget(text);
}

function parsePortTarget(text: string): Result<PortTarget> {
  const split = splitHostPort(text);
  if (!split) return fault("bad-target", `${quote(text)} is not a target.`, FORMS);
  if (!split.port) return fault("bad-target", `${quote(text)} names no port.`, FORMS);
  const host = dialableHost(split);
  if (!host.ok) return host;
  const range = parsePortRange(split.port);
  return range.ok ? ok({ kind: "port", host: host.value, ...range.value }) : range;
}

function parseHttpTarget(scheme: "http" | "https", rest: string): Result<HttpTarget> {
  const authority = rest.replace(/\/$/, "");
  if (authority.includes("/")) {
    return fault(
      "bad-target",
      "A target has no path.",
      `Write ${scheme}://HOST[:PORT]; paths are passed on as they are.`,
    );
  }
  const hasPort = splitHostPort(authority)?.port !== undefined;
  const target = parsePortTarget(hasPort ? authority : `${authority}:${DEFAULT_PORT[scheme]}`);
  if (!target.ok) return target;
  const { host, first, last } = target.value;
  if (first !== last)
    return fault("bad-target", "An HTTP target is one port.", `Write ${scheme}://${formatHostPort(host, first)}.`);
  return ok({ kind: "http", scheme, host, port: first });
}

function parseUnixTarget(kind: "unix" | "http+unix", path: string): Result<UnixTarget> {
  const plain = path.startsWith("/") && path.length <= MAX_PATH && !/\/(?:\.{0,2})(?:\/|$)/.test(path);
  if (plain) return ok({ kind, path });
  return fault(
    "bad-target",
    `${quote(path)} is not the path of a socket.`,
    `Write an absolute path of at most ${MAX_PATH} bytes: ${kind}:/run/app.sock.`,
  );
}

function dialableHost(split: HostPort): Result<string> {
  const host = parseHost(split);
  if (!host.ok) return host;
  const address = parseAddress(host.value);
  if (!address.ok || !isNoTarget(address.value)) return host;
  return fault(
    "bad-target",
    `${host.value} is no single host.`,
    "Write the address of the machine; 127.0.0.1 for the agent's own.",
  );
}

/** The canonical text; the default port of a URL is left out. */
export function formatTarget(target: Target): string {
  switch (target.kind) {
    case "port":
      return formatHostPort(target.host, formatPortRange(target));
    case "http": {
      const port = target.port === DEFAULT_PORT[target.scheme] ? "" : `:${target.port}`;
      return `${target.scheme}://${bracketed(target.host)}${port}`;
    }
    case "unix":
    case "http+unix":
      return `${target.kind}:${target.path}`;
  }
}

/**
 * Returns the target for `port` of a range endpoint, port for port. `range` and `target` must have the same size, or the target
 * is one port: the first of as many.
 */
export function targetAt(target: PortTarget, range: PortRange, port: number): PortTarget {
  const at = target.first + (port - range.first);
  return { ...target, first: at, last: at };
}

/**
 * Gives a target as many ports as `range`: a single port becomes the first of them. Refuses other sizes, and ports over 65535.
 */
export function stretch(target: PortTarget, range: PortRange): Result<PortTarget> {
  const size = rangeSize(range);
  const fitting = { first: target.first, last: target.first + size - 1 };
  if (fitting.last > 65535) {
    return fault("bad-mapping", `${size} ports from ${target.first} on exceed 65535.`, "Choose a lower first port.");
  }
  if (rangeSize(target) === 1 || rangeSize(target) === size) return ok({ ...target, ...fitting });
  return fault(
    "bad-mapping",
    `The target has ${rangeSize(target)} ports where the endpoint has ${size}.`,
    `Write ${formatHostPort(target.host, formatPortRange(fitting))}.`,
  );
}
