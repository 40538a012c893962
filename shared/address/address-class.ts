import { type Address, parseAddress, samePrefix } from "./address.ts";
import { readings } from "./disguise.ts";
import { unwrap } from "../result.ts";

/** Classes of addresses, the most dangerous to dial first: of several readings of an address, the first class counts. */
const CLASSES = [
  "metadata",
  "unspecified",
  "loopback",
  "link-local",
  "multicast",
  "broadcast",
  "private",
  "cgnat",
  "reserved",
  "public",
] as const;

export type AddressClass = (typeof CLASSES)[number];

/**
 * From the IANA special-purpose registries (RFC 6890 and its updates); the first match counts, none is `public`.
 * `metadata` is where clouds hand out credentials. `reserved` has documentation, benchmarking and unassigned space.
 */
const TABLE: readonly (readonly [AddressClass, ...string[]])[] = [
  ["metadata", "169.254.169.254/32", "169.254.170.2/32", "169.254.170.23/32", "100.100.100.200/32", "192.0.0.192/32"],
  ["metadata", "168.63.129.16/32", "fd00:ec2::254/128", "fd00:ec2::23/128", "fd20:ce::254/128", "fe80::a9fe:a9fe/128"],
  ["unspecified", "0.0.0.0/8", "::/128"],
  ["loopback", "127.0.0.0/8", "::1/128"],
  ["link-local", "169.254.0.0/16", "fe80::/10"],
  ["broadcast", "255.255.255.255/32"],
  ["multicast", "224.0.0.0/4", "ff00::/8"],
  // fec0::/10 is site-local: deprecated, yet still routed inside old networks.
  ["private", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10"],
  ["cgnat", "100.64.0.0/10"],
  ["reserved", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"],
  // Forms that are judged by the address inside them: Teredo, NAT64, IPv4-compatible, IPv4-translated.
  ["public", "2001::/32", "64:ff9b::/96", "::/96", "::ffff:0:0:0/96"],
  ["reserved", "240.0.0.0/4", "2001::/23", "2001:db8::/32", "3fff::/20"],
  ["public", "2000::/3"],
  ["reserved", "::/0"],
];

const PREFIXES = TABLE.flatMap(([name, ...cidrs]) => cidrs.map((cidr) => prefix(name, cidr)));

function prefix(name: AddressClass, cidr: string) {
  const [text = "", bits] = cidr.split("/");
  return { name, bytes: unwrap(parseAddress(text)).bytes, bits: Number(bits) };
}

/** Classifies an address. If another is inside it, the more dangerous class of the two counts. */
export function classify(address: Address): AddressClass {
  const classes = readings(address).map(classOfOne);
  return CLASSES.find((name) => classes.includes(name)) ?? "public";
}

function classOfOne({ bytes }: Address): AddressClass {
  return PREFIXES.find((entry) => samePrefix(entry.bytes, bytes, entry.bits))?.name ?? "public";
}

/** Whether an address can never be a target, because it doesn't name one host. `0.0.0.0` reaches the machine itself. */
export function isNoTarget(address: Address): boolean {
  const name = classify(address);
  return name === "unspecified" || name === "multicast" || name === "broadcast";
}

/** Whether an address, or one inside it, is loopback: 127.0.0.0/8, ::1. */
export function isLoopback(address: Address): boolean {
  return readings(address).some((reading) => classOfOne(reading) === "loopback");
}

/** Whether a canonical host name is loopback by definition (RFC 6761 section 6.3), whatever a resolver says. */
export function isLoopbackName(host: string): boolean {
  return host === "localhost" || host.endsWith(".localhost");
}
