import type { Address } from "./address.ts";
import { classify, isLoopback, isLoopbackName, isNoTarget } from "./address-class.ts";
import { type Cidr, cidrContains, parseCidr } from "./cidr.ts";
import { readings } from "./disguise.ts";
import { parseHostName } from "./host.ts";
import { containsPort, EVERY_PORT, formatPorts, parsePorts, type Ports } from "./ports.ts";
import { fault, ok, quote, type Result } from "../result.ts";
import { bracketed } from "./socket-address.ts";
import { parseTarget } from "./target.ts";

/** `192.168.2.0/24:80,443`, `[fd00::/8]:1-1024`, `127.2.2.101:8080`; without ports, all of them. */
export interface NetworkRule {
  readonly kind: "network";
  readonly cidr: Cidr;
  readonly ports: Ports;
}

/** `nvr.lan:554`: the target by its name, whatever it resolves to. */
export interface NameRule {
  readonly kind: "name";
  readonly host: string;
  readonly ports: Ports;
}

/** `unix:/run/app.sock`: this socket. */
export interface SocketRule {
  readonly kind: "socket";
  readonly path: string;
}

/** A rule of an agent's own `--allow` or `--deny`. A token has networks only: what names and sockets mean differs by machine. */
export type TargetRule = NetworkRule | NameRule | SocketRule;

/** Targets of a token for everything, the agent's own machine included; also of tokens issued before OTHER_MACHINES existed. */
export const EVERY_TARGET: readonly string[] = ["0.0.0.0/0", "[::/0]"];

/**
 * Targets of a token that was requested without any: other machines only. The agent's `--allow` decides whether it may dial its
 * own loopback, where services often trust every client. Written as networks, so that older agents enforce them, too.
 */
export const OTHER_MACHINES: readonly string[] = [
  ...["0.0.0.0/2", "64.0.0.0/3", "96.0.0.0/4", "112.0.0.0/5", "120.0.0.0/6", "124.0.0.0/7", "126.0.0.0/8"],
  ...["128.0.0.0/1", "[2000::/3]", "[fc00::/7]", "[fe80::/9]", "[64:ff9b::/32]"],
];

/** Whether a token's targets are those of a token that was requested without any. */
export function leavesLoopbackToAgent(targets: readonly string[]): boolean {
  return targets.length === OTHER_MACHINES.length && targets.every((text, at) => text === OTHER_MACHINES[at]);
}

/** Names a token's targets where the list of networks would tell little; undefined for all others. */
export function targetsName(targets: readonly string[]): string | undefined {
  if (leavesLoopbackToAgent(targets)) return "any target but the agent's own loopback";
  return targets.join(" ") === EVERY_TARGET.join(" ") ? "any target" : undefined;
}

/** Turns a requested target into networks: `localhost[:PORTS]` into the loopback addresses, any other into itself. */
export function networksAsked(text: string): string[] {
  const [, ports] = /^localhost\.?((?::.*)?)$/is.exec(text) ?? [];
  return ports === undefined ? [text] : [`127.0.0.1${ports}`, `[::1]${ports}`];
}

/** Parses a rule of a token. */
export function parseNetworkRule(text: string): Result<NetworkRule> {
  const parts = /^(?:\[([^[\]]*)\]|([^:[\]]*))(?::(.*))?$/s.exec(text);
  const network = parts?.[1] ?? parts?.[2] ?? "";
  const isIpv6 = network.includes(":");
  if (!parts || isIpv6 !== (parts[1] !== undefined) || parts[3]?.includes(":")) {
    // fd00::5:80 is an address: without brackets, a port would silently become part of it.
    return fault(
      "bad-rule",
      `${quote(text)} is not CIDR or CIDR:PORTS.`,
      "Write 192.168.2.0/24:80,443, and IPv6 in brackets: [fd00::/8]:1-1024.",
    );
  }
  const cidr = parseCidr(network);
  if (!cidr.ok) return cidr;
  const ports = parts[3] === undefined ? ok(EVERY_PORT) : parsePorts(parts[3]);
  return ports.ok ? ok({ kind: "network", cidr: cidr.value, ports: ports.value }) : ports;
}

/** Parses a rule of an agent's `--allow` or `--deny`. */
export function parseTargetRule(text: string): Result<TargetRule> {
  if (text.startsWith("unix:/")) {
    const target = parseTarget(text);
    if (!target.ok) return target;
    return ok({ kind: "socket", path: target.value.kind === "unix" ? target.value.path : "" });
  }
  const [host = "", ports, ...rest] = text.split(":");
  if (!/[a-z]/i.test(host) || /[[/]/.test(host) || rest.length > 0) return parseNetworkRule(text);
  const name = parseHostName(host);
  if (!name.ok) return name;
  const parsed = ports === undefined ? ok(EVERY_PORT) : parsePorts(ports);
  return parsed.ok ? ok({ kind: "name", host: name.value, ports: parsed.value }) : parsed;
}

export function formatTargetRule(rule: TargetRule): string {
  if (rule.kind === "socket") return `unix:${rule.path}`;
  const where = rule.kind === "name" ? rule.host : bracketed(rule.cidr.text);
  return rule.ports === EVERY_PORT || formatPorts(rule.ports) === "1-65535"
    ? where
    : `${where}:${formatPorts(rule.ports)}`;
}

/** A dial to be judged: the target's host as written, the address it resolved to, and the port. */
export interface Dialling {
  readonly host: string;
  readonly address: Address;
  readonly port: number;
}

/**
 * Whether the rules let an agent dial this. Every address inside the address has to be allowed: `[::/0]` alone doesn't allow
 * 10.0.0.1 as 64:ff9b::a00:1. A cloud's metadata address must be named by itself; a network that contains it is not enough.
 */
export function permits(rules: readonly TargetRule[], dialling: Dialling): boolean {
  const { host, address, port } = dialling;
  if (isNoTarget(address)) return false;
  const open = rules.filter((rule) => rule.kind !== "socket" && containsPort(rule.ports, port));
  const named = open.some((rule) => rule.kind === "name" && rule.host === host);
  return readings(address).every((reading) => {
    const isMetadata = classify(reading) === "metadata";
    return (
      (named && !isMetadata) ||
      open.some((rule) => {
        if (rule.kind !== "network" || !cidrContains(rule.cidr, reading)) return false;
        return !isMetadata || rule.cidr.text === reading.text;
      })
    );
  });
}

/**
 * Selects the rules that name an agent's own loopback: a network within it, or `localhost`. Neither a wide network nor a name that
 * resolves to it counts.
 */
export function namingLoopback(rules: readonly TargetRule[]): TargetRule[] {
  return rules.filter((rule) => {
    if (rule.kind === "socket") return false;
    if (rule.kind === "name") return isLoopbackName(rule.host);
    return rule.cidr.bits >= 8 && isLoopback(rule.cidr.network);
  });
}

/** Addresses that names resolve to now, by name. A missing name may resolve to any address. */
export type Meanings = ReadonlyMap<string, readonly Address[]>;

/**
 * Lists the names that must be resolved to decide whether `rules` forbid a port, or any. Not `localhost`, which no resolver
 * can change.
 */
export function namesIn(rules: readonly TargetRule[], port?: number): string[] {
  return rules.flatMap((rule) => {
    if (rule.kind !== "name" || isLoopbackName(rule.host)) return [];
    return port === undefined || containsPort(rule.ports, port) ? [rule.host] : [];
  });
}

/** Whether a rule forbids a dial: by name, by an address that the name resolves to, by address, or by an address inside it. */
export function forbids(rules: readonly TargetRule[], dialling: Dialling, meanings: Meanings): boolean {
  const { host, address, port } = dialling;
  const own = readings(address);
  return rules.some((rule) => {
    if (rule.kind === "socket" || !containsPort(rule.ports, port)) return false;
    if (rule.kind === "network") return own.some((reading) => cidrContains(rule.cidr, reading));
    if (rule.host === host) return true;
    if (isLoopbackName(rule.host)) return isLoopback(address);
    const meant = meanings.get(rule.host)?.flatMap(readings);
    return meant === undefined || meant.some(({ text }) => own.some((reading) => reading.text === text));
  });
}

/** Whether the agent may connect to this socket of its own machine. */
export function permitsSocket(rules: readonly TargetRule[], path: string): boolean {
  return rules.some((rule) => rule.kind === "socket" && rule.path === path);
}
