import { sourceBucket, type Address } from "../../../shared/address/address.ts";
import { Buckets } from "../../../shared/buckets.ts";
import type { Failure } from "../../../shared/wire/errors.ts";
import type { Mapping } from "../../../shared/rule/mapping.ts";

/** Sources remembered. */
const MAX_SOURCES = 10_000;

/** Counts new streams a second for each source of a mapping that limits them. In memory: what is forgotten would have refilled by then. */
export class Rates {
  readonly #buckets = new Buckets(MAX_SOURCES);

  /** Takes one more stream of this source; why not, when it is over the mapping's rate. `now` in milliseconds. */
  take(mapping: Mapping, address: Address, now: number): Failure | null {
    const { id, newPerSecond } = mapping;
    if (newPerSecond === null) return null;
    const source = sourceBucket(address);
    const key = `${id} ${newPerSecond} ${source}`;
    if (this.#buckets.take(key, newPerSecond, newPerSecond, now)) return null;
    return { code: "too-many", reason: `more than ${newPerSecond} new a second from ${source}` };
  }
}
