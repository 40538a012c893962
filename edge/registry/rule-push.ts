import type { Site } from "./sites.ts";
import type { Store } from "./store.ts";
import type { SiteRules } from "./types.ts";

/** Milliseconds an answer to an administrator may wait for a relay to take new rules. */
const PUSH_TIMEOUT_MS = 1_500;
const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 60_000;

/** Gives rules to the relay of this name. */
type Push = (relay: string, rules: SiteRules) => Promise<void>;

/** Brings changed rules to the relays that are in use, and again until they have them. */
export class RulePush {
  readonly #store: Store;
  readonly #push: Push;
  readonly #retryAt: (time: number) => Promise<void>;
  #delay = FIRST_RETRY_MS;

  /** `retryAt` asks for another `spread` at that time (milliseconds since 1970). */
  constructor(store: Store, push: Push, retryAt: (time: number) => Promise<void>) {
    this.#store = store;
    this.#push = push;
    this.#retryAt = retryAt;
  }

  /** Pushes to every relay that has not confirmed the last change of its site. What fails is retried later. */
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
        `the relay of ${site.name} could not be told of a change: ${error instanceof Error ? error.message : String(error)}`,
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
