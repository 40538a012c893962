// How much bulk may be in flight on one lane. A socket's own buffers take megabytes, and bytes in them delay everything behind
// them. So each end asks the far end to echo a mark at intervals, and keeps the backlog near what the path carries in one round
// trip (the model of BBR: delivery rate and least round trip, measured, never guessed from loss).

import { MAX_DATA, DEFAULT_DATA } from "../wire/limits.ts";

/**
 * Bytes, and frames, that may always be in flight: with less, a busy machine would be idle between two turns of its event
 * loop.
 */
const MIN_BYTES = 256 * 1024;
const MIN_FRAMES = 3;
/**
 * Times the product of rate and round trip: one part travels, and the other waits to follow it at once. It also shows when a
 * path can carry more.
 */
const GAIN = 2;
/** Milliseconds that one frame may take on the path: bytes behind it wait as long. */
const FRAME_MS = 4;
/** Bytes between two marks on a lane that carries datagrams, or on a path with the least limit in flight. */
const MARK_BYTES = 64 * 1024;
/**
 * Most bytes between two marks: a relay counts what is not yet echoed as backlog, and closes a lane whose backlog is more than
 * credit allows.
 */
const MAX_MARK_BYTES = 2 * 1024 * 1024;
/** Milliseconds for which a measured rate, and a measured round trip, count. */
const RATE_MS = 1_000;
const ROUND_TRIP_MS = 10_000;
/** Milliseconds assumed for a round trip before the first is measured. */
const UNKNOWN_MS = 500;
/** Least milliseconds that a measured time counts for: clocks of Workers tick in whole milliseconds. */
const TICK_MS = 0.5;

/** A mark that is not yet echoed: bytes sent by then (`total`), bytes echoed by then, and `#since` of then. */
type Mark = { name: number; total: number; at: number; echoedThen: number; since: number };

/** Backlog, round trip and rate of one lane, measured by marks and their echoes. */
export class Path {
  #sent = 0;
  #echoed = 0;
  /** When the last echo came, or the first byte after it was sent, whichever is later. */
  #since = 0;
  #marks: Mark[] = [];
  /** Bytes per millisecond. */
  #rate = 0;
  #rateAt = 0;
  /** Milliseconds. */
  #roundTrip = Number.POSITIVE_INFINITY;
  #roundTripAt = 0;
  /** No bulk is sent for one round trip, so that the round trip is measured without a queue of this end. */
  #probing = false;

  /** Bytes handed to the socket whose arrival is not confirmed. */
  get backlog(): number {
    return this.#sent - this.#echoed;
  }

  /** Bytes whose arrival is confirmed. */
  get arrivedBytes(): number {
    return this.#echoed;
  }

  get sentBytes(): number {
    return this.#sent;
  }

  /** The least round trip measured lately, in milliseconds; Infinity before the first. */
  get roundTrip(): number {
    return this.#roundTrip;
  }

  /** The highest rate measured lately, in bytes per millisecond. */
  get rate(): number {
    return this.#rate;
  }

  /** Milliseconds by which the echo of the oldest mark is overdue: bytes sent now are delayed at least as long. */
  delay(now: number): number {
    const [oldest] = this.#marks;
    const roundTrip = Number.isFinite(this.#roundTrip) ? this.#roundTrip : UNKNOWN_MS;
    return oldest === undefined ? 0 : Math.max(0, now - oldest.at - roundTrip);
  }

  /** Bytes sent since the last mark. */
  get unmarked(): number {
    return this.#sent - (this.#marks.at(-1)?.total ?? this.#echoed);
  }

  /** True when every mark has come back. */
  get allEchoed(): boolean {
    return this.#marks.length === 0;
  }

  /** Bytes of the largest bulk frame that may be sent now; 0: none. */
  get maxFrame(): number {
    if (this.#probing || this.backlog >= this.maxInFlight) return 0;
    return this.#frame;
  }

  /** Bytes that may be in flight. */
  get maxInFlight(): number {
    const least = Math.max(MIN_BYTES, MIN_FRAMES * this.#frame);
    return Number.isFinite(this.#roundTrip) ? Math.max(least, GAIN * this.#rate * this.#roundTrip) : least;
  }

  /**
   * True when a mark should be sent now. A mark and its echo cost a relay as much as two frames, so wide paths have few.
   * `fine`: on a lane that carries datagrams, which are dropped when the backlog is large, marks are closer together.
   */
  isMarkDue(fine: boolean): boolean {
    const { maxInFlight } = this;
    const step = fine || maxInFlight <= MIN_BYTES ? MARK_BYTES : Math.min(maxInFlight / 2, MAX_MARK_BYTES);
    return this.unmarked >= step;
  }

  get #frame(): number {
    return Math.min(MAX_DATA, Math.max(DEFAULT_DATA, Math.floor(this.#rate * FRAME_MS)));
  }

  /** Notes bytes handed to the socket. */
  sent(bytes: number, now: number): void {
    if (this.#sent === this.#echoed) this.#since = now;
    this.#sent += bytes;
  }

  /**
   * Notes a mark sent now. Give it a random name when the far end may not be trusted, so that it can't echo a mark that it
   * hasn't read.
   */
  mark(now: number, name = this.#sent): void {
    this.#marks.push({ name, total: this.#sent, at: now, echoedThen: this.#echoed, since: this.#since });
  }

  /**
   * Takes the echo of a mark: the oldest, or the one with this name. Returns its round trip in milliseconds, or null if there
   * is no such mark.
   */
  echoed(now: number, name?: number): number | null {
    const index = name === undefined ? 0 : this.#marks.findIndex((each) => each.name === name);
    const mark = this.#marks[index];
    if (mark === undefined) return null;
    this.#marks.splice(0, index + 1);
    this.#measure(mark, now);
    this.#echoed = mark.total;
    this.#since = now;
    this.#probe(now, now - mark.at);
    return now - mark.at;
  }

  /** Sets the round trip to a measured one from which queueing is taken off. */
  renewRoundTrip(ms: number, now: number): void {
    this.#roundTrip = Math.max(TICK_MS, ms);
    this.#roundTripAt = now;
  }

  #measure(mark: Mark, now: number): void {
    const took = Math.max(TICK_MS, now - mark.at);
    if (took <= this.#roundTrip) {
      this.#roundTrip = took;
      this.#roundTripAt = now;
    }
    // From the last echo before the mark, and not from the mark itself: a busy end's echoes come together, and the last of
    // them would seem to confirm all their bytes in no time (as in BBR, draft-ietf-ccwg-bbr section 4.1).
    const rate = (mark.total - mark.echoedThen) / Math.max(TICK_MS, now - mark.since);
    if (rate >= this.#rate || now - this.#rateAt > RATE_MS) {
      this.#rate = rate;
      this.#rateAt = now;
    }
  }

  /** When the least round trip is old, stops bulk until no mark is unechoed, and measures it again. */
  #probe(now: number, took: number): void {
    const isDry = this.#marks.length === 0;
    if (this.#probing && isDry) {
      this.#probing = false;
      this.#roundTrip = Number.POSITIVE_INFINITY;
    } else if (now - this.#roundTripAt > ROUND_TRIP_MS) {
      if (isDry) this.#roundTrip = Math.max(TICK_MS, took);
      this.#probing = !isDry;
      this.#roundTripAt = now;
    }
  }
}
