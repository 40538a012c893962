import { Bucket } from "./bucket.ts";

/**
 * One token bucket for each key, in memory. Beyond `most` keys, the one that was idle longest is dropped, and starts full
 * again.
 */
export class Buckets {
  readonly #most: number;
  readonly #buckets = new Map<string, Bucket>();

  constructor(most: number) {
    this.#most = most;
  }

  /** Takes one token of `key`; false if there is none. `rate` per second, at most `burst` at once. `now` in milliseconds. */
  take(key: string, rate: number, burst: number, now: number): boolean {
    const bucket = this.#buckets.get(key) ?? new Bucket(rate, burst);
    // The latest last, so that the first is the one to drop.
    this.#buckets.delete(key);
    const [oldest] = this.#buckets.keys();
    if (oldest !== undefined && this.#buckets.size >= this.#most) this.#buckets.delete(oldest);
    this.#buckets.set(key, bucket);
    return bucket.take(now);
  }
}
