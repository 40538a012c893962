// How much bulk may be on its way over one lane. A socket's own buffers take megabytes, and whatever enters them delays
// everything behind it; so each end asks the far end to echo a mark now and then, and keeps what is unechoed near what
// the path carries in one turn (the model of BBR: delivery rate and least round trip, measured, never guessed from loss).

import { MAX_DATA, DEFAULT_DATA } from "../wire/limits.ts";

/** Bytes, and frames, always allowed: less would leave a busy machine idle between two turns of its event loop. */
const LEAST_BYTES = 256 * 1024;
const LEAST_FRAMES = 3;
/** Times the path's own product: one part travels, the other waits to follow it at once. It also lets a new path be found out. */
const GAIN = 2;
/** Milliseconds of the path that one frame may take: what comes behind it waits as long. */
const FRAME_MS = 4;
/** Bytes between two marks where datagrams go, or of a path that may have no more than LEAST_BYTES on its way. */
const MARK_BYTES = 64 * 1024;
/** Bytes between two marks at most: a relay takes for on its way what is not yet echoed, and ends a lane that has more than credit allows. */
const MOST_MARK_BYTES = 2 * 1024 * 1024;
/** Milliseconds a measured rate, and a measured round trip, are believed. */
const RATE_MS = 1_000;
const ROUND_TRIP_MS = 10_000;
/** Milliseconds of a round trip that has not been seen yet. */
const UNKNOWN_MS = 500;
/** Milliseconds below which clocks of Workers, which tick in whole ones, say nothing. */
const TICK_MS = 0.5;

type Mark = { name: number; total: number; at: number; echoedThen: number; /** When that was. */ since: number };

export class Path {
  #sent = 0;
  #echoed = 0;
  /** When so much was echoed, or the first byte after it was sent, whichever came later. */
  #since = 0;
  #marks: Mark[] = [];
  /** Bytes a millisecond. */
  #rate = 0;
  #rateAt = 0;
  /** Milliseconds. */
  #roundTrip = Number.POSITIVE_INFINITY;
  #roundTripAt = 0;
  /** Bulk stands still for one turn, so that the round trip is seen without our own queue. */
  #probing = false;

  /** Bytes sent that the far end is not known to have. */
  get backlog(): number {
    return this.#sent - this.#echoed;
  }

  /** Bytes that the far end is known to have, and bytes sent. */
  get arrivedBytes(): number {
    return this.#echoed;
  }

  get sentBytes(): number {
    return this.#sent;
  }

  /** The least round trip of late, in milliseconds; Infinity while none is known. */
  get roundTrip(): number {
    return this.#roundTrip;
  }

  /** Bytes a millisecond that arrived of late, at most. */
  get rate(): number {
    return this.#rate;
  }

  /** Milliseconds by which the oldest mark is overdue: what is sent now waits as long, at least. */
  delay(now: number): number {
    const [oldest] = this.#marks;
    const roundTrip = Number.isFinite(this.#roundTrip) ? this.#roundTrip : UNKNOWN_MS;
    return oldest === undefined ? 0 : Math.max(0, now - oldest.at - roundTrip);
  }

  /** Bytes sent after the last mark. */
  get unmarked(): number {
    return this.#sent - (this.#marks.at(-1)?.total ?? this.#echoed);
  }

  /** True when every mark has come back. */
  get allEchoed(): boolean {
    return this.#marks.length === 0;
  }

  /** Bytes of the largest frame of bulk that may be sent now; 0: none. */
  get maxFrame(): number {
    if (this.#probing || this.backlog >= this.maxInFlight) return 0;
    return this.#frame;
  }

  /** Bytes that may be on their way. */
  get maxInFlight(): number {
    const least = Math.max(LEAST_BYTES, LEAST_FRAMES * this.#frame);
    return Number.isFinite(this.#roundTrip) ? Math.max(least, GAIN * this.#rate * this.#roundTrip) : least;
  }

  /**
   * True when a mark should be sent now. A mark and its echo cost a relay as much as two frames do, so wide paths have few;
   * `fine`: but where datagrams go, which are dropped when much is on its way, that must be known closely.
   */
  isMarkDue(fine: boolean): boolean {
    const { maxInFlight } = this;
    const step = fine || maxInFlight <= LEAST_BYTES ? MARK_BYTES : Math.min(maxInFlight / 2, MOST_MARK_BYTES);
    return this.unmarked >= step;
  }

  get #frame(): number {
    return Math.min(MAX_DATA, Math.max(DEFAULT_DATA, Math.floor(this.#rate * FRAME_MS)));
  }

  /** Bytes have been handed to the socket. */
  sent(bytes: number, now: number): void {
    if (this.#sent === this.#echoed) this.#since = now;
    this.#sent += bytes;
  }

  /** A mark is sent now, under a name that the far end can't guess, if it is not to be trusted. */
  mark(now: number, name = this.#sent): void {
    this.#marks.push({ name, total: this.#sent, at: now, echoedThen: this.#echoed, since: this.#since });
  }

  /** The oldest mark came back, or the one of this name; others are ignored. Answers its round trip in milliseconds, or null. */
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

  /** The far end has told what a round trip takes by now, apart from what waits. */
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
    // From when the last echo came, not from when this was sent: echoes come together when an end is busy, and the first
    // would seem to have brought all that the others did, in no time (as in BBR, draft-ietf-ccwg-bbr section 4.1).
    const rate = (mark.total - mark.echoedThen) / Math.max(TICK_MS, now - mark.since);
    if (rate >= this.#rate || now - this.#rateAt > RATE_MS) {
      this.#rate = rate;
      this.#rateAt = now;
    }
  }

  /** When the round trip has been longer than its least for long, lets the queue run dry once and takes what it then is. */
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
