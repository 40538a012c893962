import { DATAGRAM_DEADLINE_MS } from "../wire/limits.ts";
import { Path } from "./path.ts";

// Congestion control for one session's datagrams, end to end. A datagram that the path has taken can't be taken back. So the
// sender hands over what the path carries and a little more; the rest waits at the sender, where it can still be dropped.

/** Bytes that may be in flight at first, at least, and at most. */
const FIRST_BYTES = 32 * 1024;
const MIN_BYTES = 1_500;
const MAX_BYTES = 4 * 1024 * 1024;
/** Times the bytes in flight up to which a flow with nothing waiting may send: a call doesn't wait behind a flow that floods. */
const OVERTAKING = 1.5;
/** Milliseconds of queueing on the path that are accepted. */
const TARGET_QUEUE_MS = 25;
/** Part of the bytes that arrived by which the limit in flight grows, while little is queued and there is more to send. */
const GROWTH = 1 / 8;
/**
 * Echoes asked for in one limit of bytes in flight; bytes, and milliseconds, between two at most. Each costs a message through
 * the relay.
 */
const ECHOES = 8;
const MAX_STEP = 128 * 1024;
const STEP_MS = 250;
/**
 * Milliseconds for which all echoes must report queueing before the limit falls: a busy machine makes single echoes late (as
 * in CoDel, RFC 8289 section 4.3).
 */
const PERSISTENT_MS = 200;
/** Factor by which the limit in flight falls. */
const DECREASE = 0.6;
/** Milliseconds for which the last echo is evidence for what is sent now. */
const RECENT_MS = 500;
/** Milliseconds by which the queue may have grown since, while there is more to send. */
const GROWING_MS = 15;
/** Milliseconds after which one datagram is sent whatever is in flight: an echo may be lost, and only a new one shows that. */
const TRY_MS = 250;

/**
 * How many bytes of datagrams a sender may have in flight, by the echoes that come back. All times in milliseconds of one
 * clock.
 */
export class CongestionControl {
  readonly #path = new Path();
  #maxInFlight = FIRST_BYTES;
  /** True until the first queue: the limit in flight doubles with each round trip (slow start). */
  #isStarting = true;
  #sentAt = Number.NEGATIVE_INFINITY;
  #askedAt = Number.NEGATIVE_INFINITY;
  /** When there was last more to send than might be in flight. */
  #fullAt = Number.NEGATIVE_INFINITY;
  /** Since when all echoes have reported queueing; null: the last one did not. */
  #queueSince: number | null = null;
  /** Milliseconds of queueing that the last echo reported, and when it came. */
  #waited = { ms: 0, at: Number.NEGATIVE_INFINITY };

  /** Whether a datagram may be sent now. */
  maySend(now: number): boolean {
    if (now - this.#sentAt >= TRY_MS || this.#isBelow(this.#maxInFlight, now)) return true;
    if (this.#path.backlog >= this.#maxInFlight) this.#fullAt = now;
    return false;
  }

  /** Whether a datagram of a flow with nothing waiting may be sent now, before flows that wait. */
  mayOvertake(now: number): boolean {
    return this.#isBelow(this.#maxInFlight * OVERTAKING, now);
  }

  #isBelow(limit: number, now: number): boolean {
    return this.#path.backlog < limit && this.#path.delay(now) <= DATAGRAM_DEADLINE_MS;
  }

  /**
   * Estimates the milliseconds that a datagram sent now is queued on the path. More than the deadline: nothing gets through
   * now.
   */
  delay(now: number): number {
    const { ms, at } = this.#waited;
    const full = now - this.#fullAt < RECENT_MS ? GROWING_MS : 0;
    return Math.max(this.#path.delay(now), now - at < RECENT_MS ? ms + full : 0);
  }

  /**
   * Whether there is more to send than may be in flight, so that the path always has a queue. At the least limit a queue isn't
   * this sender's.
   */
  isFull(now: number): boolean {
    return now - this.#fullAt < RECENT_MS && this.#maxInFlight > MIN_BYTES;
  }

  /** Notes a datagram of `bytes` sent under a unique name. Returns whether to ask for its echo. */
  sent(bytes: number, now: number, name: number): boolean {
    this.#path.sent(bytes, now);
    this.#sentAt = now;
    const step = Math.min(MAX_STEP, this.#maxInFlight / ECHOES);
    if (this.#path.unmarked < step && now - this.#askedAt < STEP_MS) return false;
    this.#askedAt = now;
    this.#path.mark(now, name);
    return true;
  }

  /**
   * Takes the echo of a name: this datagram arrived after `waited` ms of queueing. Those sent before it have arrived, too, or
   * are lost.
   */
  echoed(name: number, waited: number, now: number): void {
    const { arrivedBytes: arrivedBefore } = this.#path;
    const took = this.#path.echoed(now, name);
    if (took === null) return;
    this.#waited = { ms: waited, at: now };
    this.#path.renewRoundTrip(took - waited, now);
    const isFull = this.#fullAt >= now - took;
    if (waited > TARGET_QUEUE_MS) this.#onQueue(now);
    else this.#onNoQueue(isFull ? this.#path.arrivedBytes - arrivedBefore : 0);
  }

  /** Raises the limit in flight by a part of the bytes that arrived while there was more to send. */
  #onNoQueue(arrived: number): void {
    this.#queueSince = null;
    this.#setMaxInFlight(this.#maxInFlight + arrived * (this.#isStarting ? 1 : GROWTH));
  }

  /** Lowers the limit in flight once all echoes have reported queueing for long enough. */
  #onQueue(now: number): void {
    this.#isStarting = false;
    this.#queueSince ??= now;
    if (now - this.#queueSince < PERSISTENT_MS) return;
    this.#queueSince = null;
    this.#setMaxInFlight(this.#maxInFlight * DECREASE);
  }

  #setMaxInFlight(bytes: number): void {
    this.#maxInFlight = Math.min(MAX_BYTES, Math.max(MIN_BYTES, bytes));
  }
}
