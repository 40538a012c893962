/** Milliseconds without a message after which a relay hibernates and is no longer billed. */
const HIBERNATES_MS = 10_000;

/** The usage of a site, in the units that Cloudflare bills. */
export type Usage = {
  /** Requests, including WebSocket upgrades and TCP visitors. */
  requests: number;
  /** WebSocket messages received; twenty are billed as one request. */
  messages: number;
  /** Milliseconds the object was in memory because of them. An estimate, as the platform decides when to hibernate. */
  activeMs: number;
};

/** Counts usage since the last `take`. Called for every frame, so it only adds. */
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

  /** Returns the counts and resets them. */
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
