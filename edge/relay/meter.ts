/** Milliseconds without a message after which a relay hibernates, and costs nothing. */
const HIBERNATES_MS = 10_000;

/** What a site has cost, in the units that Cloudflare bills. */
export type Usage = {
  /** Requests, WebSocket upgrades and TCP visitors among them. */
  requests: number;
  /** WebSocket messages that came in; twenty are billed as one request. */
  messages: number;
  /** Milliseconds the object was in memory because of them: an estimate, for hibernation is the platform's to choose. */
  activeMs: number;
};

/** Counts since it was last emptied. Called for every frame, so it only adds up. */
export class Meter {
  #requests = 0;
  #messages = 0;
  #activeMs = 0;
  #last = 0;

  request(now: number): void {
    this.#requests += 1;
    this.#touch(now);
  }

  message(now: number): void {
    this.#messages += 1;
    this.#touch(now);
  }

  get usage(): Usage {
    return { requests: this.#requests, messages: this.#messages, activeMs: this.#activeMs };
  }

  /** Hands over what was counted, and begins anew. */
  take(): Usage {
    const { usage } = this;
    this.#requests = 0;
    this.#messages = 0;
    this.#activeMs = 0;
    return usage;
  }

  #touch(now: number): void {
    this.#activeMs += Math.min(HIBERNATES_MS, now - this.#last);
    this.#last = now;
  }
}
