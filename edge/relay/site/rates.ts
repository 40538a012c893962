import { sourceBucket, type Address } from "../../../shared/address/address.ts";
import { Buckets } from "../../../shared/buckets.ts";
import type { Failure } from "../../../shared/wire/errors.ts";
import type { Mapping } from "../../../shared/rule/mapping.ts";

/** Sources whose rate is tracked. */
const MAX_SOURCES = 10_000;

/** Limits the new streams a second of each source of a mapping. In memory only: the counts would refill while the relay hibernates. */
export class Rates {
  readonly #buckets = new Buckets(MAX_SOURCES);

  /** Counts a new stream of this source; returns the refusal if it exceeds the mapping's rate, or null. `now` in milliseconds. */
  take(mapping: Mapping, address: Address, now: number): Failure | null {
    const { id, newPerSecond } = mapping;
    if (newPerSecond === null) return null;
    const source = sourceBucket(address);
    const key = `${id} ${newPerSecond} ${source}`;
    if (this.#buckets.take(key, newPerSecond, newPerSecond, now)) return null;
    return { code: "too-many", reason: `more than ${newPerSecond} new streams a second from ${source}` };
  }
}
