import { type Address, parseAddress, sourceBucket } from "../address/address.ts";
import { disguised } from "../address/disguise.ts";

/** A grant: it admits one visitor's addresses to some mappings for a limited time. */
export interface Grant {
  readonly id: string;
  /** Ids of the mappings it admits to. */
  readonly mappings: readonly number[];
  /** Learned from the browser that opened the link: at most one IPv4 and one IPv6, canonical. Empty until then. */
  readonly addresses: readonly string[];
  /** For whom it is, as its admin wrote it. */
  readonly to: string;
  /** Milliseconds since 1970 when it was made, and when it ends. */
  readonly created: number;
  readonly until: number;
  /** `sub` of the admin that made it. */
  readonly by: string;
}

/**
 * Finds the grant that lets an address use a mapping now; undefined if there is none.
 * IPv6 counts by its /64, the subscriber: a phone's apps and its browser use different addresses within it.
 */
export function admits(grants: readonly Grant[], mapping: number, address: Address, now: number): Grant | undefined {
  const source = sourceOf(address);
  return grants.find((grant) => {
    if (now >= grant.until || !grant.mappings.includes(mapping)) return false;
    return grant.addresses.map(parseAddress).some((each) => each.ok && sourceOf(each.value) === source);
  });
}

/**
 * Names the subscriber behind an address. A translator (64:ff9b::/96, Teredo) has all of its in one /64: there the IPv4
 * address inside counts.
 */
export function sourceOf(address: Address): string {
  return [sourceBucket(address), ...disguised(address).map(({ text }) => text)].join(" ");
}
