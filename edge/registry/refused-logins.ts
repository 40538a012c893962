import type { Store } from "./store.ts";

/**
 * Sources that get their own audit entry within an hour. An attacker may have any number of addresses, so all others share one
 * entry.
 */
const MAX_NAMED = 20;
const HOUR_MS = 3600_000;
/** Stands for all further sources in the audit. */
const ELSEWHERE = "elsewhere";

/** A login that was refused. */
export type RefusedLogin = {
  /** An IPv4 address, or an IPv6 /64. */
  source: string;
  /** Why it was refused. */
  reason: string;
};

/** Collects refused logins for the audit, the metrics and the webhook, so that a flood costs few writes. */
export class RefusedLogins {
  readonly #store: Store;
  /** A webhook is configured. */
  readonly #hasWebhook: boolean;
  #pending = new Map<string, RefusedLogin & { count: number }>();
  /** Sources named within the hour that began at `#hour`, in milliseconds since 1970. */
  readonly #named = new Set<string>();
  #hour = 0;

  constructor(store: Store, hasWebhook: boolean) {
    this.#store = store;
    this.#hasWebhook = hasWebhook;
  }

  /** True if `write` has something to write. */
  get hasPending(): boolean {
    return this.#pending.size > 0;
  }

  /** Counts a refused login. Returns true for the first since `write`; the caller must then call `write` soon. */
  add({ source, reason }: RefusedLogin, now: number): boolean {
    if (now - this.#hour >= HOUR_MS) {
      this.#hour = now;
      this.#named.clear();
    }
    if (this.#named.size < MAX_NAMED) this.#named.add(source);
    const name = this.#named.has(source) ? source : ELSEWHERE;
    const isFirst = this.#pending.size === 0;
    this.#pending.set(name, { source: name, reason, count: (this.#pending.get(name)?.count ?? 0) + 1 });
    return isFirst;
  }

  /** Writes the collected logins. `now`: milliseconds since 1970. */
  write(now: number): void {
    const pending = [...this.#pending.values()];
    this.#pending = new Map();
    const { journal, webhookEvents } = this.#store;
    for (const { source, reason, count } of pending) {
      const from = source === ELSEWHERE ? "" : source;
      const actor = { name: "login", from, payer: `login ${source}`, now };
      journal.auditRepeatable(actor, "login refused", source, reason, count);
      webhookEvents.refusedLogins(count, source, this.#hasWebhook, now);
    }
  }
}
