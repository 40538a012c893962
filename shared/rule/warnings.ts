import { isWide } from "../address/cidr.ts";
import { type PortEndpoint, transports } from "../address/endpoint.ts";
import type { MappingDraft } from "./mapping-input.ts";
import type { Parsed } from "./parsed.ts";

/** Ports that scanners try first, and the service they look for. All ports below 1024 count as well-known, too. */
const WELL_KNOWN = new Map([
  [21, "FTP"],
  [22, "SSH"],
  [23, "Telnet"],
  [25, "SMTP"],
  [53, "DNS"],
  [80, "HTTP"],
  [110, "POP3"],
  [123, "NTP"],
  [143, "IMAP"],
  [161, "SNMP"],
  [389, "LDAP"],
  [443, "HTTPS"],
  [445, "SMB"],
  [502, "Modbus"],
  [554, "RTSP"],
  [1433, "SQL Server"],
  [1723, "PPTP"],
  [1883, "MQTT"],
  [1900, "SSDP"],
  [2375, "Docker"],
  [3306, "MySQL"],
  [3389, "RDP"],
  [5060, "SIP"],
  [5432, "PostgreSQL"],
  [5900, "VNC"],
  [6379, "Redis"],
  [8000, "a camera or recorder"],
  [8080, "a web server"],
  [8443, "a web server"],
  [9200, "Elasticsearch"],
  [11211, "memcached"],
  [27017, "MongoDB"],
  [37777, "a camera or recorder"],
]);

/** UDP services whose answers are much larger than requests: with a forged source address, they flood a third party. */
const REFLECTORS = new Map([
  [19, "chargen"],
  [53, "DNS"],
  [69, "TFTP"],
  [111, "portmap"],
  [123, "NTP"],
  [137, "NetBIOS"],
  [161, "SNMP"],
  [389, "LDAP"],
  [1900, "SSDP"],
  [3702, "WS-Discovery"],
  [5353, "mDNS"],
  [11211, "memcached"],
]);

/** Lists risks of a mapping, for its user. A mapping with warnings is still valid. */
export function warnings(rule: Parsed<MappingDraft>): string[] {
  const { mapping, endpoint } = rule;
  const found: string[] = [];
  if (endpoint.kind === "port" && mapping.access === "public") found.push(...wellKnown(endpoint));
  if (isOpenToAll(rule)) {
    found.push(
      `Anyone on the internet can reach ${mapping.endpoint}. Limit it with --allow-from, or use --access token and grants.`,
    );
  }
  const service = reflected(rule);
  if (service && !mapping.reflectorOk) {
    found.push(
      `${service} over UDP sends large answers to small requests, so forged requests can turn it against others: answers to visitors whose address is not proved are kept small.`,
    );
  }
  if (mapping.http?.tlsVerify === false) {
    found.push(
      "The target's certificate is not checked: any machine in the site that can answer in its place can read and change everything.",
    );
  }
  return found;
}

/**
 * Whether answers to visitors with an unproven address must stay small: the service is a reflector, and `reflectorOk` is not
 * set.
 */
export function mayReflect(rule: Parsed<MappingDraft>): boolean {
  return !rule.mapping.reflectorOk && reflected(rule) !== undefined;
}

function wellKnown(endpoint: PortEndpoint): string[] {
  const ports = [...WELL_KNOWN.keys()].filter((port) => endpoint.first <= port && port <= endpoint.last);
  const advice = "A port of your own choosing above 1024 is found far less often.";
  const [port] = ports;
  if (port !== undefined) return [`Port ${port} is where scanners look for ${WELL_KNOWN.get(port)} first. ${advice}`];
  return endpoint.first < 1024
    ? [`Port ${endpoint.first} is among the well-known ports, which scanners try first. ${advice}`]
    : [];
}

function isOpenToAll({ mapping, sources: { allow } }: Parsed<MappingDraft>): boolean {
  return mapping.access === "public" && (allow.length === 0 || allow.some(isWide));
}

/** The reflecting service behind a UDP endpoint that is open to all, by the target's port. */
function reflected(rule: Parsed<MappingDraft>): string | undefined {
  const { endpoint, target } = rule;
  if (!isOpenToAll(rule) || !transports(endpoint).includes("udp")) return undefined;
  if (target.kind !== "port") return undefined;
  return [...REFLECTORS].find(([port]) => target.first <= port && port <= target.last)?.[1];
}
