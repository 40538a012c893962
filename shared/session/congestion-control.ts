import { DATAGRAM_DEADLINE_MS } from "../wire/limits.ts";
import { Path } from "./path.ts";

// What is on its way of one session's datagrams, from end to end. What a path has taken can't be taken back: so no more is
// handed over than travels and a little that waits, and the rest waits at the sender, where it can still be dropped.

/** Bytes that may be on their way at first, at least, and at most. */
const FIRST_BYTES = 32 * 1024;
const LEAST_BYTES = 1_500;
const MOST_BYTES = 4 * 1024 * 1024;
/** Times that, for flows that send little: a call need not wait for its turn behind one that floods. */
const OVERTAKING = 1.5;
/** Milliseconds that may wait on the way. */
const QUEUED_MS = 25;
/** Part of what arrived by which more may be on its way next, while hardly anything waits and there is more to send. */
const GROWTH = 1 / 8;
/** Echoes asked for of what may be on its way, bytes between two at most, and milliseconds. Each costs a message through the relay. */
const ECHOES = 8;
const MOST_STEP = 128 * 1024;
const STEP_MS = 250;
/** Milliseconds for which all echoes tell of waiting before less may be on the way: machines that are busy make single ones late (as CoDel looks at queues, RFC 8289 section 4.3). */
const QUEUE_MS = 200;
/** Part of what may be on the way that may be from then on. */
const DECREASE = 0.6;
/** Milliseconds for which what was echoed says something of what is sent now. */
const RECENT_MS = 500;
/** Milliseconds by which it may wait longer than that, while there is more to send. */
const GROWING_MS = 15;
/** Milliseconds after which one datagram is sent whatever is unanswered: an echo may be lost, and nothing else would tell. */
const TRY_MS = 250;

/** The sender's half: how much may follow what has not been echoed. All times in milliseconds of one clock. */
export class CongestionControl {
  readonly #path = new Path();
  #maxInFlight = FIRST_BYTES;
  /** True until something has waited on the way: what may be on it doubles with each turn, as it is looked for. */
  #isStarting = true;
  #sentAt = Number.NEGATIVE_INFINITY;
  #askedAt = Number.NEGATIVE_INFINITY;
  /** When there was last more to send than might be on its way. */
  #fullAt = Number.NEGATIVE_INFINITY;
  /** Since when all echoes have told of waiting. */
  #queueSince: number | null = null;
  /** Milliseconds that what was last echoed had waited, and when that was. */
  #waited = { ms: 0, at: Number.NEGATIVE_INFINITY };

  /** Whether a datagram may be sent now. */
  maySend(now: number): boolean {
    if (now - this.#sentAt >= TRY_MS || this.#isBelow(this.#maxInFlight, now)) return true;
    if (this.#path.backlog >= this.#maxInFlight) this.#fullAt = now;
    return false;
  }

  /** Whether one of a flow that has nothing waiting may be sent now, before others that have. */
  mayOvertake(now: number): boolean {
    return this.#isBelow(this.#maxInFlight * OVERTAKING, now);
  }

  #isBelow(limit: number, now: number): boolean {
    return this.#path.backlog < limit && this.#path.delay(now) <= DATAGRAM_DEADLINE_MS;
  }

  /** Milliseconds that what is sent now will wait on the way, as far as it is known; more than the deadline: the path stands still. */
  delay(now: number): number {
    const { ms, at } = this.#waited;
    const full = now - this.#fullAt < RECENT_MS ? GROWING_MS : 0;
    return Math.max(this.#path.delay(now), now - at < RECENT_MS ? ms + full : 0);
  }

  /** Whether there is more to send than may be on its way, so that something of it always waits there. Where the least may be, what waits is no queue of ours. */
  isFull(now: number): boolean {
    return now - this.#fullAt < RECENT_MS && this.#maxInFlight > LEAST_BYTES;
  }

  /** A datagram is sent, and `name`, which no other has, goes with it. Answers whether it is to be echoed. */
  sent(bytes: number, now: number, name: number): boolean {
    this.#path.sent(bytes, now);
    this.#sentAt = now;
    const step = Math.min(MOST_STEP, this.#maxInFlight / ECHOES);
    if (this.#path.unmarked < step && now - this.#askedAt < STEP_MS) return false;
    this.#askedAt = now;
    this.#path.mark(now, name);
    return true;
  }

  /** What was sent under this name has arrived, and had waited for so long on its way; what was sent before it has arrived, too, or is lost. */
  echoed(name: number, waited: number, now: number): void {
    const { arrivedBytes: arrivedBefore } = this.#path;
    const took = this.#path.echoed(now, name);
    if (took === null) return;
    this.#waited = { ms: waited, at: now };
    this.#path.renewRoundTrip(took - waited, now);
    const isFull = this.#fullAt >= now - took;
    if (waited > QUEUED_MS) this.#onQueue(now);
    else this.#onNoQueue(isFull ? this.#path.arrivedBytes - arrivedBefore : 0);
  }

  /** Hardly anything waits: more may be on the way, if there was more to send while so much arrived. */
  #onNoQueue(arrived: number): void {
    this.#queueSince = null;
    this.#setMaxInFlight(this.#maxInFlight + arrived * (this.#isStarting ? 1 : GROWTH));
  }

  /** What all echoes of some time have waited for stands on the way: less may be there. */
  #onQueue(now: number): void {
    this.#isStarting = false;
    this.#queueSince ??= now;
    if (now - this.#queueSince < QUEUE_MS) return;
    this.#queueSince = null;
    this.#setMaxInFlight(this.#maxInFlight * DECREASE);
  }

  #setMaxInFlight(bytes: number): void {
    this.#maxInFlight = Math.min(MOST_BYTES, Math.max(LEAST_BYTES, bytes));
  }
}
