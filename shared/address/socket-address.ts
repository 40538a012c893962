import { type Address, parseAddress } from "./address.ts";
import { parsePort } from "./ports.ts";
import { fault, ok, quote, type Result } from "../result.ts";

/** Address and port of one end of a TCP connection or a flow. */
export interface SocketAddress {
  readonly address: Address;
  /** 1 to 65535; 0 only where `parseListen` says so. */
  readonly port: number;
}

/** Parses `1.2.3.4:80` or `[::1]:80`, as runtimes print a peer. */
export function parseSocketAddress(text: string): Result<SocketAddress> {
  const split = splitHostPort(text);
  if (!split?.port) {
    return fault("bad-address", `${quote(text)} is not ADDRESS:PORT.`, "Write 192.0.2.1:80 or [2001:db8::1]:80.");
  }
  const port = parsePort(split.port);
  if (!port.ok) return port;
  const address = parseHostAddress(split);
  return address.ok ? ok({ address: address.value, port: port.value }) : address;
}

/**
 * Parses the address of a local listener: `8080`, `127.0.0.1:8080`, `[::1]:8080`. A bare port is on loopback; port 0 is any
 * free one.
 */
export function parseListen(text: string): Result<SocketAddress> {
  const full = /^\d+$/.test(text) ? `127.0.0.1:${text}` : text;
  if (!full.endsWith(":0")) return parseSocketAddress(full);
  const parsed = parseSocketAddress(`${full.slice(0, -1)}1`);
  return parsed.ok ? ok({ address: parsed.value.address, port: 0 }) : parsed;
}

export function formatSocketAddress({ address, port }: SocketAddress): string {
  return formatHostPort(address.text, port);
}

/** `host:port`, with brackets around IPv6. */
export function formatHostPort(host: string, port: number | string): string {
  return `${bracketed(host)}:${port}`;
}

/** An IPv6 address in brackets, any other host as it is. */
export function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

/** A host, the text after its colon if there is one, and whether the host was in brackets. */
export interface HostPort {
  readonly host: string;
  readonly port: string | undefined;
  readonly inBrackets: boolean;
}

/**
 * Splits `host`, `host:port`, `[host]` or `[host]:port` without validating it. Undefined for anything else, such as bare IPv6.
 */
export function splitHostPort(text: string): HostPort | undefined {
  const match = /^(?:\[([^[\]]*)\]|([^:[\]]*))(?::([^:[\]]*))?$/.exec(text);
  if (!match) return undefined;
  return { host: match[1] ?? match[2] ?? "", port: match[3], inBrackets: match[1] !== undefined };
}

/** Parses a host that must be an address: IPv6 must be in brackets, IPv4 must not. */
export function parseHostAddress({ host, inBrackets }: HostPort): Result<Address> {
  if (inBrackets === host.includes(":")) return parseAddress(host);
  const wrong = inBrackets ? "has brackets, which are for IPv6" : "is IPv6 without its brackets";
  return fault("bad-address", `${quote(host)} ${wrong}.`, "Write 192.0.2.1:80 or [2001:db8::1]:80.");
}
