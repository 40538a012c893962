import { MAX_STREAM_WINDOW, STREAM_WINDOW } from "../wire/limits.ts";

// How much a stream should be let have on its way: what its reader takes in one round trip, and as much again, so that a
// path which could carry more is found out. Both are measured here, at the receiver; neither is taken from the far end's word.

/** Times the product of what is read and the round trip; on a long path, where each step costs a long round trip, more, while the reader keeps up. */
const GAIN = 2;
const LONG_GAIN = 4;
/** Milliseconds. */
const LONG_MS = 25;
/** Milliseconds that a round trip counts for at least: one turn of a busy machine's event loop. */
const TURN_MS = 10;
/** Milliseconds that the best product seen is believed. */
const KEEP_MS = 1_000;
/** Round trips in a row that must be far longer than the least one until that is given up: the path has changed. */
const CHANGED = 16;
/** Limits remembered: more than are granted in one round trip at the largest window. */
const MAX_RAISED = 128;

export class StreamWindow {
  bytes = STREAM_WINDOW;
  /** Limits that were moved on from, and when; oldest first. */
  #raised: { limit: number; at: number }[] = [];
  /** Milliseconds. */
  #roundTrip = Number.POSITIVE_INFINITY;
  /** The least of the last round trips that were far longer, and how many. */
  #longer = { ms: Number.POSITIVE_INFINITY, count: 0 };
  /** Bytes taken in a round trip at best, lately. */
  #product = 0;
  #productAt = 0;
  /** Where the present measurement began; null before the first. */
  #from: { consumed: number; at: number } | null = null;

  /** A limit was moved on from: the far end hears of it half a round trip from now. */
  limitRaised(limit: number, now: number): void {
    if (this.#raised.length < MAX_RAISED) this.#raised.push({ limit, at: now });
  }

  /** New bytes came. Those that begin where a limit was are the first that moving it let go: it took a round trip. */
  received(start: number, end: number, now: number): void {
    let passed = this.#raised[0];
    while (passed !== undefined && passed.limit < end) {
      if (passed.limit === start) this.#measure(now - passed.at);
      this.#raised.shift();
      passed = this.#raised[0];
    }
  }

  /** The reader has taken so much by now, of what has come. */
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

  /** After a quiet while: back to where it began. The round trip is still the path's. */
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
