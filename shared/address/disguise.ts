import { type Address, addressOf, samePrefix } from "./address.ts";

// IPv6 addresses that contain an IPv4 one. A translator or a tunnel may deliver to the address inside, so a rule about an address
// has to be checked for everything that it may mean. (Mapped ::ffff:0:0/96 never gets here: see parseAddress.)

const LOCAL_NAT64 = [0x00, 0x64, 0xff, 0x9b, 0x00, 0x01];

interface Disguise {
  /** Leading bytes of the form, all bits counting. */
  readonly prefix: readonly number[];
  /** Offsets at which the IPv4 bytes may be: several where the address itself doesn't tell. */
  readonly at: readonly (readonly number[])[];
  /** Whether the bytes are stored inverted. */
  readonly inverted?: boolean;
}

const LAST = [12, 13, 14, 15];

const DISGUISES: readonly Disguise[] = [
  // IPv4-compatible ::/96 (RFC 4291, deprecated) and IPv4-translated ::ffff:0:0:0/96 (RFC 2765).
  { prefix: Array<number>(12).fill(0), at: [LAST] },
  { prefix: [0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0], at: [LAST] },
  // NAT64, well-known prefix (RFC 6052).
  { prefix: [0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0], at: [LAST] },
  // NAT64, local-use prefix (RFC 8215): its owner picks /48, /56, /64 or /96, each with its own layout (byte 8 unused).
  { prefix: LOCAL_NAT64, at: [[6, 7, 9, 10], [7, 9, 10, 11], [9, 10, 11, 12], LAST] },
  // 6to4 (RFC 3056).
  { prefix: [0x20, 0x02], at: [[2, 3, 4, 5]] },
  // Teredo (RFC 4380): the server, and the client's mapped address with all bits inverted.
  { prefix: [0x20, 0x01, 0, 0], at: [[4, 5, 6, 7]] },
  { prefix: [0x20, 0x01, 0, 0], at: [LAST], inverted: true },
];

/** Finds every IPv4 address that may be inside an address; none for IPv4 and ordinary IPv6. */
export function disguised(address: Address): Address[] {
  const { version, bytes } = address;
  if (version === 4 || isPlain(bytes)) return [];
  const found: Address[] = [];
  for (const { prefix, at, inverted } of DISGUISES) {
    if (!samePrefix(prefix, bytes.slice(0, prefix.length), prefix.length * 8)) continue;
    for (const places of at) {
      const inner = places.map((place) => (bytes[place] ?? 0) ^ (inverted ? 0xff : 0));
      // With several layouts, all but one read padding as 0.x.x.x, which no translator can reach.
      if (at.length === 1 || inner[0] !== 0) found.push(addressOf(inner));
    }
  }
  // ISATAP (RFC 5214): any prefix, then 0000:5efe or 0200:5efe, then the address.
  if ((bytes[8] === 0 || bytes[8] === 2) && bytes[9] === 0 && bytes[10] === 0x5e && bytes[11] === 0xfe) {
    found.push(addressOf(bytes.slice(12)));
  }
  return found;
}

/** Returns the address itself, then every address inside it. */
export function readings(address: Address): Address[] {
  return [address, ...disguised(address)];
}

/** `::` and `::1` look IPv4-compatible, but are not. */
function isPlain(bytes: readonly number[]): boolean {
  return bytes.slice(0, 15).every((byte) => byte === 0) && (bytes[15] ?? 0) <= 1;
}
