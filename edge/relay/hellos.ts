import { Bucket } from "../../shared/bucket.ts";
import { HELLO_BURST, HELLOS_PER_SECOND } from "../../shared/limits.ts";

/** Identities remembered; with more, the one that has been quiet longest begins anew. */
const MOST = 1_000;

/** How often each identity says HELLO: every one is a write to storage. In memory: what is forgotten would have refilled by then. */
export class Hellos {
  readonly #buckets = new Map<string, Bucket>();

  /** Whether this identity may come once more. `now` in milliseconds. */
  permit(identity: string, now: number): boolean {
    const bucket = this.#buckets.get(identity) ?? new Bucket(HELLOS_PER_SECOND, HELLO_BURST);
    // The latest last: the first is the one to forget.
    this.#buckets.delete(identity);
    const [oldest] = this.#buckets.keys();
    if (oldest !== undefined && this.#buckets.size >= MOST) this.#buckets.delete(oldest);
    this.#buckets.set(identity, bucket);
    return bucket.take(now);
  }
}
