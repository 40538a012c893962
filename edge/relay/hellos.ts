import { Buckets } from "../../shared/buckets.ts";
import { HELLO_BURST, HELLOS_PER_SECOND } from "../../shared/wire/limits.ts";

/** Identities remembered. */
const MOST = 1_000;

/** How often each identity says HELLO: every one is a write to storage. In memory: what is forgotten would have refilled by then. */
export class Hellos {
  readonly #buckets = new Buckets(MOST);

  /** Whether this identity may come once more. `now` in milliseconds. */
  permit(identity: string, now: number): boolean {
    return this.#buckets.take(identity, HELLOS_PER_SECOND, HELLO_BURST, now);
  }
}
