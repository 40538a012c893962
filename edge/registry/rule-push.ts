import type { Site } from "./sites.ts";
import type { Store } from "./store.ts";
import type { SiteRules } from "./types.ts";

/** Milliseconds that the answer to an admin's change may wait for a relay to accept the new rules. */
const PUSH_TIMEOUT_MS = 1_500;
const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 60_000;

/** Sends rules to the relay of this name; rejects if it does not accept them. */
type Push = (relay: string, rules: SiteRules) => Promise<void>;

/** Pushes changed rules to the relays in use, and retries until they confirm. */
export class RulePush {
  readonly #store: Store;
  readonly #push: Push;
  readonly #retryAt: (time: number) => Promise<void>;
  #delay = FIRST_RETRY_MS;

  /** `retryAt` schedules another `pushAll` at that time (milliseconds since 1970). */
  constructor(store: Store, push: Push, retryAt: (time: number) => Promise<void>) {
    this.#store = store;
    this.#push = push;
    this.#retryAt = retryAt;
  }

  /** Pushes rules to every relay that has not confirmed its site's last change. Schedules a retry if a push fails. */
  async pushAll(now: number): Promise<void> {
    const pushed = await Promise.all(this.#store.sites.unpushed().map((site) => this.#pushTo(site, now)));
    if (pushed.every(Boolean)) {
      this.#delay = FIRST_RETRY_MS;
      return;
    }
    await this.#retryAt(now + this.#delay);
    this.#delay = Math.min(this.#delay * 2, MAX_RETRY_MS);
  }

  async #pushTo(site: Site, now: number): Promise<boolean> {
    const rules = this.#store.rulesOf(site, now);
    try {
      await within(PUSH_TIMEOUT_MS, this.#push(site.relay, rules));
    } catch (error) {
      console.warn(
        `pushing rules to the relay of ${site.name} failed: ${error instanceof Error ? error.message : String(error)}`,
      );
      return false;
    }
    this.#store.sites.markPushed(site.name, rules.revision);
    return true;
  }
}

async function within(ms: number, work: Promise<unknown>): Promise<void> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`no answer in ${ms} ms`)), ms);
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
