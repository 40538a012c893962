import { sourceBucket, type Address } from "../../shared/address.ts";
import { Bucket } from "../../shared/bucket.ts";
import type { Failure } from "../../shared/errors.ts";
import type { Mapping } from "../../shared/mapping.ts";

/** Sources remembered. With more at once, the one that has been quiet longest begins anew. */
const MAX_SOURCES = 10_000;

/** Counts new streams a second for each source of a mapping that limits them. In memory: what is forgotten would have refilled by then. */
export class Rates {
  readonly #buckets = new Map<string, Bucket>();

  /** Takes one more stream of this source; why not, when it is over the mapping's rate. `now` in milliseconds. */
  take(mapping: Mapping, address: Address, now: number): Failure | null {
    const { id, newPerSecond } = mapping;
    if (newPerSecond === null) return null;
    const source = sourceBucket(address);
    const key = `${id} ${newPerSecond} ${source}`;
    const bucket = this.#buckets.get(key) ?? new Bucket(newPerSecond, newPerSecond);
    // The latest last: the first is the one to forget.
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > MAX_SOURCES) {
      for (const oldest of this.#buckets.keys()) {
        this.#buckets.delete(oldest);
        break;
      }
    }
    if (bucket.take(now)) return null;
    return { code: "too-many", reason: `more than ${newPerSecond} new a second from ${source}` };
  }
}
