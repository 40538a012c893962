import { MAX_GRACE_MS } from "./wire/limits.ts";

/** Milliseconds below which the first tries of a minute come: a blip must not cost a visitor anything. */
const FAST_MS = 400;
const FAST_TRIES = 3;
const FAST_PERIOD_MS = 60_000;
const BASE_MS = 1_000;
const CAP_MS = 30_000;
/** The same while streams may still be waiting: the default grace period. */
const EARLY_CAP_MS = 8_000;
const EARLY_MS = 60_000;
/**
 * The same for a dial that nothing answered, for as long as streams wait at most: it cost no edge anything, and the path may
 * be back at any moment.
 */
const UNANSWERED_CAP_MS = 2_000;
/** How long a connection must have stood before failures are forgotten. */
const STABLE_MS = 30_000;

/**
 * How long to wait before dialling again: three fast tries a minute, then doubling with full jitter, never giving up;
 * not so long that the grace period ends between two tries.
 */
export class Backoff {
  readonly #random: () => number;
  #failures = 0;
  #fast: number[] = [];
  /** When the outage that goes on began; null while all is well. */
  #since: number | null = null;

  /** `random` answers [0, 1). */
  constructor(random: () => number) {
    this.#random = random;
  }

  /** A connection stood for `ms`; only one that was stable makes the next failure a first one again. */
  connectedFor(ms: number): void {
    if (ms >= STABLE_MS) this.#failures = 0;
  }

  /**
   * Milliseconds to wait now. `now` on a monotonic clock; `atLeast` is what the edge asked for (Retry-After); what became of the
   * last dial: `reached`, it got through and was lost, and streams may be waiting: within a second; `unanswered`, no packet came back.
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
