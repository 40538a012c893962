import { networkInterfaces } from "node:os";
import { addressOf, parseAddress, type Address } from "../../shared/address/address.ts";
import { parseCidr, type Cidr } from "../../shared/address/cidr.ts";
import { parseNetworkRule, type TargetRule } from "../../shared/address/target-rule.ts";
import type { TargetPolicy } from "../policy.ts";

/** The most addresses tried in one run: more would take minutes, and look like an attack. */
export const MAX_ADDRESSES = 1_024;
/** Host bits of the widest network that is tried whole; in place of a wider one, this machine's own networks are. */
const WIDEST_BITS = 10;

export type Scope = { addresses: Address[]; isTruncated: boolean };

/** Lists the addresses to try: of the allowed networks, and of this machine's own in place of too wide ones. IPv4 only: IPv6 networks are too large. */
export function scopeOf(policy: TargetPolicy): Scope {
  const rules =
    policy.allow.length > 0
      ? policy.allow
      : policy.claims.targets.map(parseNetworkRule).flatMap((rule) => (rule.ok ? [rule.value] : []));
  const networks = rules.flatMap((rule) => networksOf(rule));
  const found = new Map<string, Address>();
  let isTruncated = false;
  for (const network of networks) {
    for (const address of members(network)) {
      if (found.size >= MAX_ADDRESSES) isTruncated = true;
      else found.set(address.text, address);
    }
  }
  return { addresses: [...found.values()], isTruncated };
}

function networksOf(rule: TargetRule): Cidr[] {
  if (rule.kind !== "network" || rule.cidr.network.version !== 4) return [];
  return 32 - rule.cidr.bits <= WIDEST_BITS ? [rule.cidr] : ownNetworks();
}

/** Lists this machine's own networks, each cut to the /22 around its address. */
function ownNetworks(): Cidr[] {
  const own = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return own.flatMap(({ cidr, address, internal, family }) => {
    if (internal || family !== "IPv4" || cidr === null) return [];
    const bits = Math.max(32 - WIDEST_BITS, Number(cidr.split("/")[1]));
    const parsed = parseAddress(address);
    if (!parsed.ok) return [];
    const network = fromNumber(toNumber(parsed.value) & mask(bits));
    const found = parseCidr(`${network.text}/${bits}`);
    return found.ok ? [found.value] : [];
  });
}

function* members({ network, bits }: Cidr): Generator<Address> {
  const first = toNumber(network);
  const count = 2 ** (32 - bits);
  // The first address is the network's own, the last its broadcast address.
  const [from, to] = count > 2 ? [1, count - 1] : [0, count];
  for (let index = from; index < to; index++) yield fromNumber(first + index);
}

function toNumber({ bytes }: Address): number {
  return bytes.reduce((sum, byte) => sum * 256 + byte, 0);
}

function fromNumber(value: number): Address {
  const unsigned = value >>> 0;
  return addressOf([unsigned >>> 24, (unsigned >>> 16) & 255, (unsigned >>> 8) & 255, unsigned & 255]);
}

function mask(bits: number): number {
  return bits === 0 ? 0 : (-1 << (32 - bits)) >>> 0;
}
