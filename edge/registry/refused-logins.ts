import type { Store } from "./store.ts";

/** Sources that get an entry of their own within an hour. A stranger may have any number of addresses: the others share one entry. */
const MOST_NAMED = 20;
const HOUR_MS = 3600_000;
const ELSEWHERE = "elsewhere";

/** A login that was refused. */
export type RefusedLogin = {
  /** An IPv4 address, or an IPv6 /64. */
  source: string;
  /** What was wrong. */
  reason: string;
};

/** Gathers refused logins on their way to the audit, the metrics and the webhook, so that a flood costs few writes. */
export class RefusedLogins {
  readonly #store: Store;
  /** There is a webhook that hears of them. */
  readonly #isTold: boolean;
  #waiting = new Map<string, RefusedLogin & { count: number }>();
  /** Sources named within the hour that began at `#hour`, in milliseconds since 1970. */
  readonly #named = new Set<string>();
  #hour = 0;

  constructor(store: Store, isTold: boolean) {
    this.#store = store;
    this.#isTold = isTold;
  }

  /** Tells whether `write` has something to do. */
  get isWaiting(): boolean {
    return this.#waiting.size > 0;
  }

  /** Counts one. Returns true for the first since `write`: the caller then has to call `write` within a moment. */
  add({ source, reason }: RefusedLogin, now: number): boolean {
    if (now - this.#hour >= HOUR_MS) {
      this.#hour = now;
      this.#named.clear();
    }
    if (this.#named.size < MOST_NAMED) this.#named.add(source);
    const name = this.#named.has(source) ? source : ELSEWHERE;
    const isFirst = this.#waiting.size === 0;
    this.#waiting.set(name, { source: name, reason, count: (this.#waiting.get(name)?.count ?? 0) + 1 });
    return isFirst;
  }

  /** Writes down what has been gathered. `now` in milliseconds since 1970. */
  write(now: number): void {
    const gathered = [...this.#waiting.values()];
    this.#waiting = new Map();
    const { journal, watch } = this.#store;
    for (const { source, reason, count } of gathered) {
      const from = source === ELSEWHERE ? "" : source;
      const actor = { name: "login", from, payer: `login ${source}`, now };
      journal.note(actor, "login refused", source, reason, count);
      watch.refusedLogins(count, source, this.#isTold, now);
    }
  }
}
