import { BUSY_DEAD_MS, BUSY_PING_MS, DEAD_MS, PING_MS, SUSPECT_MS } from "../wire/limits.ts";

/** Milliseconds between two checks beyond which the machine or process was asleep: a suspended laptop, a stopped process. */
const ASLEEP_MS = 5_000;

/** What to do about a lane now. `suspect`: dial a replacement, but keep this lane until the new one is there. */
export type Verdict = { ping: boolean; suspect: boolean; dead: boolean; silentMs: number };

/** Decides when to ping a lane, when to suspect it, and when to take it for dead. Pure: the caller gives the clocks. */
export class Keepalive {
  readonly #jitter: number;
  #receivedAt: number;
  #pingedAt: number | null = null;
  /** When the oldest unanswered ping was sent. */
  #unansweredSince: number | null = null;
  #checkedAt: number | null = null;
  #asleep = false;

  /** `now` in monotonic milliseconds; `jitter` in [0, 1) spreads the pings of many lanes. */
  constructor(now: number, jitter: number) {
    this.#receivedAt = now;
    this.#jitter = 0.9 + jitter / 5;
  }

  /** Notes a message of any kind. Returns the round trip in milliseconds if it is a pong, else null. */
  received(now: number, pong: boolean): number | null {
    this.#receivedAt = now;
    this.#asleep = false;
    const rtt = pong && this.#unansweredSince !== null ? now - this.#unansweredSince : null;
    this.#unansweredSince = null;
    return rtt;
  }

  /**
   * Call it at least once a second. `sinceBoot`: milliseconds since the machine was started, including sleep, on a clock that
   * can't be set. `waiting`: the far end has not consumed all bytes of this end.
   */
  check(now: number, sinceBoot: number, waiting: boolean): Verdict {
    const gap = this.#checkedAt === null ? 0 : sinceBoot - this.#checkedAt;
    this.#checkedAt = sinceBoot;
    if (gap > ASLEEP_MS) {
      // What came before the sleep says nothing about the lane now: ping it before judging.
      this.#receivedAt = now;
      this.#unansweredSince = null;
      this.#pingedAt = null;
      this.#asleep = true;
    }
    const silentMs = now - this.#receivedAt;
    const interval = waiting ? BUSY_PING_MS : PING_MS * this.#jitter;
    const ping = now - (this.#pingedAt ?? Number.NEGATIVE_INFINITY) >= interval;
    if (ping) {
      this.#pingedAt = now;
      this.#unansweredSince ??= now;
    }
    const unanswered = this.#unansweredSince === null ? 0 : now - this.#unansweredSince;
    return {
      ping,
      suspect: this.#asleep || unanswered >= SUSPECT_MS,
      dead: silentMs > (waiting ? BUSY_DEAD_MS : DEAD_MS),
      silentMs,
    };
  }
}
