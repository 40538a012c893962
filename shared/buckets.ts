import { Bucket } from "./bucket.ts";

/** A bucket for each of many. In memory: of more than `most`, the one that has been quiet longest begins anew. */
export class Buckets {
  readonly #most: number;
  readonly #buckets = new Map<string, Bucket>();

  constructor(most: number) {
    this.#most = most;
  }

  /** Takes one for `key` if there is one: `rate` a second, at most `burst` at once. `now` in milliseconds. */
  take(key: string, rate: number, burst: number, now: number): boolean {
    const bucket = this.#buckets.get(key) ?? new Bucket(rate, burst);
    // The latest last: the first is the one to forget.
    this.#buckets.delete(key);
    const [oldest] = this.#buckets.keys();
    if (oldest !== undefined && this.#buckets.size >= this.#most) this.#buckets.delete(oldest);
    this.#buckets.set(key, bucket);
    return bucket.take(now);
  }
}
