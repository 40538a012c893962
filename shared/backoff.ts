import { MAX_GRACE_MS } from "./wire/limits.ts";

/** Most milliseconds before each of the first tries of a minute: a short outage must not be noticed by visitors. */
const FAST_MS = 400;
const FAST_TRIES = 3;
const FAST_PERIOD_MS = 60_000;
const BASE_MS = 1_000;
const CAP_MS = 30_000;
/** Cap, and time since the outage began, while streams may still wait: the default grace period. */
const EARLY_CAP_MS = 8_000;
const EARLY_MS = 60_000;
/**
 * Cap after a dial without any answer, for the longest grace period: such a dial costs no edge anything, and the path may be
 * back at any moment.
 */
const UNANSWERED_CAP_MS = 2_000;
/** Milliseconds that a connection must have lasted before former failures are forgotten. */
const STABLE_MS = 30_000;

/**
 * Computes the wait before dialling again: three fast tries a minute, then doubling with full jitter, without end. Waits are
 * short enough that the grace period doesn't end between two tries.
 */
export class Backoff {
  readonly #random: () => number;
  #failures = 0;
  #fast: number[] = [];
  /** When the present outage began; null if there is none. */
  #since: number | null = null;

  /** `random` returns a number in [0, 1). */
  constructor(random: () => number) {
    this.#random = random;
  }

  /** Notes that a connection lasted `ms`. After a stable one, the next failure is a first one again. */
  connectedFor(ms: number): void {
    if (ms >= STABLE_MS) this.#failures = 0;
  }

  /**
   * Returns the milliseconds to wait. `now` in monotonic milliseconds; `atLeast`: Retry-After of the edge. `dial` is the outcome of
   * the last one: `reached`, it got through and was lost later, so streams may wait; `unanswered`, no packet came back.
   */
  next(now: number, atLeast = 0, dial: "reached" | "answered" | "unanswered" = "answered"): number {
    const reached = dial === "reached";
    if (reached) this.#since = now;
    this.#since ??= now;
    const cap = this.#cap(now - this.#since, dial);
    this.#fast = this.#fast.filter((at) => now - at < FAST_PERIOD_MS);
    if (this.#fast.length < FAST_TRIES) {
      this.#fast.push(now);
      return atLeast + Math.floor(this.#random() * FAST_MS);
    }
    const ceiling = reached ? BASE_MS : Math.min(cap, BASE_MS * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 16);
    // Full jitter spreads a thousand agents that lost one edge at the same moment.
    return Math.max(atLeast + Math.floor(this.#random() * BASE_MS), Math.floor(this.#random() * ceiling));
  }

  #cap(outage: number, dial: "reached" | "answered" | "unanswered"): number {
    if (dial === "unanswered" && outage < MAX_GRACE_MS) return UNANSWERED_CAP_MS;
    return outage < EARLY_MS ? EARLY_CAP_MS : CAP_MS;
  }
}
