import type { Store } from "./store.ts";
import { sendWebhook } from "./webhook.ts";

/** Sends due events to the webhook, woken by alarms. Does nothing if no webhook is configured (`url` is ""). */
export class WebhookNotifier {
  readonly #store: Store;
  readonly #url: string;
  readonly #wakeAt: (time: number) => Promise<void>;

  /** `wakeAt` schedules a `deliver` at that time (milliseconds since 1970). */
  constructor(store: Store, url: string, wakeAt: (time: number) => Promise<void>) {
    this.#store = store;
    this.#url = url;
    this.#wakeAt = wakeAt;
  }

  /** Notes that a site has got its first agent, or lost its last. */
  async presence(site: string, isOnline: boolean, now: number): Promise<void> {
    if (this.#url === "") return;
    this.#store.webhookEvents.presence(site, isOnline, now);
    await this.schedule(now);
  }

  /** Schedules a wake-up for the next due event. */
  async schedule(now: number): Promise<void> {
    if (this.#url === "") return;
    const { webhookEvents, mappings, tokens } = this.#store;
    const next = webhookEvents.nextDue(mappings.list(), tokens.current(), now);
    if (next !== null) await this.#wakeAt(next);
  }

  /** Sends the due events, then schedules the next wake-up. */
  async deliver(now: number): Promise<void> {
    if (this.#url === "") return;
    const { webhookEvents, mappings, tokens } = this.#store;
    webhookEvents.enqueueDue(mappings.list(), tokens.current(), now);
    await webhookEvents.deliver((event) => sendWebhook(this.#url, event), now);
    await this.schedule(now);
  }
}
