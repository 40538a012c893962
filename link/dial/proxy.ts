import { isLoopbackHost } from "../../shared/address/edge-url.ts";
import { formatHostPort } from "../../shared/address/socket-address.ts";
import { Problem } from "../problem.ts";
import { isExempt, unbracketed } from "./no-proxy.ts";

/** A proxy for CONNECT. */
export type HttpProxy = {
  /** The name for messages, with where it comes from but without user and password: `the proxy http://proxy.corp:3128 (HTTPS_PROXY)`. */
  name: string;
  isTls: boolean;
  /** IPv6 without brackets. */
  host: string;
  port: number;
  /** The value of Proxy-Authorization; null when there is no user. */
  authorization: string | null;
};

/** Returns the proxy for an edge; null: none. Throws Problem when the proxy's URL is malformed. */
export type ProxyChoice = (edge: URL) => HttpProxy | null;

/** Uses one proxy for every edge, except for an edge on this machine. */
export function always(proxy: HttpProxy): ProxyChoice {
  return (edge) => (isLoopbackHost(unbracketed(edge.hostname)) ? null : proxy);
}

const SECURE = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
const PLAIN = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];

/** Chooses the proxy by the usual variables, lower-case names first, as curl does. An edge on this machine is dialled directly. */
export function fromEnvironment(env: NodeJS.ProcessEnv): ProxyChoice {
  return (edge) => {
    const exempt = env["no_proxy"] || env["NO_PROXY"] || "";
    if (isLoopbackHost(unbracketed(edge.hostname)) || isExempt(exempt, edge.hostname, portOf(edge))) return null;
    const variable = (isSecure(edge) ? SECURE : PLAIN).find((name) => env[name]?.trim());
    return variable === undefined ? null : parseProxy(env[variable]?.trim() ?? "", variable);
  };
}

/** Tells whether an edge is reached over TLS. */
export function isSecure(edge: URL): boolean {
  return /^(?:https|wss):$/.test(edge.protocol);
}

/** Returns the port of an edge; without one in its URL, the scheme's. */
export function portOf(edge: URL): number {
  return Number(edge.port) || (isSecure(edge) ? 443 : 80);
}

/** Tells whether the URL of a proxy has a user or a password in it. */
export function hasCredentials(text: string): boolean {
  return /^(?:[a-z][\w+.-]*:\/\/)?[^/]*@/i.test(text);
}

/** Parses the URL of a proxy. Messages name where it comes from (`from`), and never quote it. Throws Problem. */
export function parseProxy(text: string, from: string): HttpProxy {
  const wrong = (what: string, fix: string): Problem =>
    Problem.configuration("proxy-invalid", `${from} names no proxy that can be used: ${what}`, fix);
  const example = "write http://HOST:PORT, or http://USER:PASSWORD@HOST:PORT";
  // As curl reads it: without a scheme it is a plain proxy.
  const whole = /^[a-z][\w+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  const url = URL.canParse(whole) ? new URL(whole) : undefined;
  // An unencoded / ? or # in a password ends the host, and a piece of the password is read as its port.
  if (url === undefined || /@/.test(url.pathname + url.search + url.hash))
    throw wrong("it is not a URL", `${example}; in a password, / is %2F, # is %23, ? is %3F`);
  const { protocol, hostname, port, username, password } = url;
  const isTls = protocol === "https:";
  if (!isTls && protocol !== "http:")
    throw wrong(
      `it is a ${protocol.slice(0, -1)} proxy, and Sallyport speaks to http and https proxies only`,
      `${example}; --proxy none, or NO_PROXY with the edge's host, dials directly`,
    );
  const host = unbracketed(hostname);
  const at = Number(port) || (isTls ? 443 : 80);
  let authorization: string | null = null;
  if (username !== "" || password !== "") {
    let user: string;
    let secret: string;
    try {
      [user, secret] = [decodeURIComponent(username), decodeURIComponent(password)];
    } catch {
      throw wrong("its user or password has a % that begins no percent-encoding", "write % as %25");
    }
    if (user.includes(":"))
      throw wrong("its user has a colon", "choose a user without one: Basic authentication does not allow it");
    authorization = `Basic ${Buffer.from(`${user}:${secret}`).toString("base64")}`;
  }
  return { name: `the proxy ${protocol}//${formatHostPort(host, at)} (${from})`, isTls, host, port: at, authorization };
}

/** Formats the URL of a proxy with its user and password, for a file of mode 0600. */
export function urlOf({ isTls, host, port, authorization }: HttpProxy): string {
  const [, user = "", secret = ""] =
    /^([^:]*):(.*)$/s.exec(Buffer.from(authorization?.slice(6) ?? "", "base64").toString()) ?? [];
  const login = authorization === null ? "" : `${encodeURIComponent(user)}:${encodeURIComponent(secret)}@`;
  return `${isTls ? "https" : "http"}://${login}${formatHostPort(host, port)}`;
}
