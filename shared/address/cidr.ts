import { type Address, addressOf, parseAddress, prefixOf, samePrefix } from "./address.ts";
import { readings } from "./disguise.ts";
import { fault, ok, quote, type Result } from "../result.ts";

/** All addresses that share the first `bits` bits of `network`. Canonical in `text`: one address has no `/bits`. */
export interface Cidr {
  readonly network: Address;
  readonly bits: number;
  readonly text: string;
}

/** Parses `10.0.0.0/8`, `fd00::/8`, or one address. `::ffff:10.0.0.0/104` is 10.0.0.0/8. Host bits must be zero. */
export function parseCidr(text: string): Result<Cidr> {
  const [base = "", bitsText, ...rest] = text.split("/");
  const parsed = parseAddress(base);
  if (!parsed.ok || rest.length > 0) {
    return fault(
      "bad-cidr",
      `${quote(text)} is not an address or a network.`,
      "Write 192.168.2.0/24, 2001:db8::/32 or one address.",
    );
  }
  const address = parsed.value;
  const width = address.bytes.length * 8;
  // A mapped address was unwrapped to IPv4; its prefix length still counts from the start of the IPv6 form.
  const mapped = address.version === 4 && base.includes(":") ? 96 : 0;
  const bits = bitsText === undefined ? width : parseBits(bitsText) - mapped;
  if (!(bits >= 0 && bits <= width)) {
    return fault("bad-cidr", `${quote(text)} has no prefix length between ${mapped} and ${width + mapped}.`);
  }
  const network = addressOf(prefixOf(address.bytes, bits));
  if (network.text !== address.text) {
    return fault(
      "bad-cidr",
      `${quote(text)} has bits set after its first ${bits}.`,
      `Write ${network.text}/${bits} for the network, or ${address.text} for the one address.`,
    );
  }
  return ok({ network, bits, text: bits === width ? network.text : `${network.text}/${bits}` });
}

function parseBits(text: string): number {
  return /^(?:0|[1-9]\d{0,2})$/.test(text) ? Number(text) : NaN;
}

/** Whether an address is in the network; an IPv4 address inside an IPv6 one doesn't count. */
export function cidrContains(cidr: Cidr, address: Address): boolean {
  return samePrefix(cidr.network.bytes, address.bytes, cidr.bits);
}

/** Prefix lengths below which a network is too wide to name anyone's addresses: 10.0.0.0/8 and fc00::/7 are not. */
const MIN_BITS = { 4: 8, 6: 7 } as const;

/** Whether a network is the whole internet, or a part of it too large to restrict anything. */
export function isWide({ network, bits }: Cidr): boolean {
  return bits < MIN_BITS[network.version];
}

/**
 * Whether the lists let an address in: `deny` wins, and an empty `allow` allows every address.
 * `deny` also checks IPv4 addresses inside an IPv6 one; `allow` does not, because the owner of an IPv6 network can write any
 * IPv4 address into the lower half of it.
 */
export function allows(allow: readonly Cidr[], deny: readonly Cidr[], address: Address): boolean {
  const all = readings(address);
  if (deny.some((cidr) => all.some((reading) => cidrContains(cidr, reading)))) return false;
  return allow.length === 0 || allow.some((cidr) => cidrContains(cidr, address));
}
