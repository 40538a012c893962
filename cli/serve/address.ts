import { parseAddress, type Address as IpAddress } from "../../shared/address/address.ts";
import { parseListen } from "../../shared/address/socket-address.ts";
import type { Result } from "../../shared/result.ts";
import { Problem } from "../../link/problem.ts";

/** An address to listen on: an IP address without brackets, and a port (0: any free one). */
export type Address = { host: string; port: number };

/** Parses the value of `--listen`. Throws Problem(usage). */
export function listenAddress(text: string): Address {
  const { address, port } = accept(parseListen(text), "--listen");
  return { host: address.text, port };
}

/** Parses the value of `--bind`. Throws Problem(usage). */
export function bindAddress(text: string): string {
  const address: IpAddress = accept(parseAddress(text), "--bind");
  return address.text;
}

/** Returns the address by which this machine reaches its own listener: loopback for a wildcard. */
export function reachable({ host, port }: Address): Address {
  const loopback = { "0.0.0.0": "127.0.0.1", "::": "::1" }[host];
  return { host: loopback ?? host, port };
}

function accept<T>(result: Result<T>, option: string): T {
  if (result.ok) return result.value;
  throw Problem.usage(result.error.code, `${option}: ${result.error.message}`, result.error.fix ?? "");
}
