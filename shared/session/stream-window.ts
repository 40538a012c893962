import { MAX_STREAM_WINDOW, STREAM_WINDOW } from "../wire/limits.ts";

// How far a stream's limit should be ahead of what is consumed: what its reader takes in one round trip, and as much again, so
// that a path which could carry more shows it. The receiver measures both; it trusts no figure of the far end.

/**
 * Times the bytes that are read in a round trip. LONG_GAIN holds on a long path, where each step takes a long round trip,
 * while the reader keeps up.
 */
const GAIN = 2;
const LONG_GAIN = 4;
/** Milliseconds of a round trip from which on a path is long. */
const LONG_MS = 25;
/** Least milliseconds that a round trip counts for: one turn of a busy machine's event loop. */
const TURN_MS = 10;
/** Milliseconds for which the largest product counts. */
const KEEP_MS = 1_000;
/** Round trips in a row, each more than twice the least one, after which the path counts as changed. */
const CHANGED = 16;
/** Former limits remembered: more than are granted in one round trip at the largest window. */
const MAX_RAISED = 128;

/** The window of one stream, as its receiver measures it, in bytes. */
export class StreamWindow {
  bytes = STREAM_WINDOW;
  /** Former limits and when each was raised, oldest first. */
  #raised: { limit: number; at: number }[] = [];
  /** Milliseconds. */
  #roundTrip = Number.POSITIVE_INFINITY;
  /** The least of the last round trips that were far longer, and their number. */
  #longer = { ms: Number.POSITIVE_INFINITY, count: 0 };
  /** Most bytes consumed in one round trip lately. */
  #product = 0;
  #productAt = 0;
  /** Start of the present measurement; null before the first. */
  #from: { consumed: number; at: number } | null = null;

  /** Notes that the limit is raised beyond `limit`. */
  limitRaised(limit: number, now: number): void {
    if (this.#raised.length < MAX_RAISED) this.#raised.push({ limit, at: now });
  }

  /** Notes new bytes. Those that begin at a former limit are the first that raising it let through: one round trip has passed. */
  received(start: number, end: number, now: number): void {
    let passed = this.#raised[0];
    while (passed !== undefined && passed.limit < end) {
      if (passed.limit === start) this.#measure(now - passed.at);
      this.#raised.shift();
      passed = this.#raised[0];
    }
  }

  /** Notes the offsets up to which the reader has consumed, and bytes have come. */
  consumed(consumed: number, received: number, now: number): void {
    if (!Number.isFinite(this.#roundTrip)) return;
    this.#from ??= { consumed, at: now };
    const turn = Math.max(TURN_MS, this.#roundTrip);
    const elapsed = now - this.#from.at;
    if (elapsed < turn) return;
    const product = ((consumed - this.#from.consumed) * turn) / elapsed;
    this.#from = { consumed, at: now };
    if (product < this.#product && now - this.#productAt <= KEEP_MS) return;
    this.#product = product;
    this.#productAt = now;
    const isKeepingUp = received - consumed <= product / 2;
    const wanted = (isKeepingUp && this.#roundTrip >= LONG_MS ? LONG_GAIN : GAIN) * product;
    this.bytes = Math.max(STREAM_WINDOW, Math.min(MAX_STREAM_WINDOW, Math.floor(wanted)));
  }

  /** Sets the window back to its first size, after a quiet time. The measured round trip stays. */
  reset(): void {
    this.bytes = STREAM_WINDOW;
    this.#product = 0;
    this.#from = null;
    this.#raised = [];
  }

  #measure(ms: number): void {
    if (ms <= 2 * this.#roundTrip) {
      this.#roundTrip = Math.min(ms, this.#roundTrip);
      this.#longer = { ms: Number.POSITIVE_INFINITY, count: 0 };
      return;
    }
    this.#longer = { ms: Math.min(ms, this.#longer.ms), count: this.#longer.count + 1 };
    if (this.#longer.count < CHANGED) return;
    this.#roundTrip = this.#longer.ms;
    this.#longer = { ms: Number.POSITIVE_INFINITY, count: 0 };
  }
}
