import { BUSY_DEAD_MS, BUSY_PING_MS, DEAD_MS, PING_MS, SUSPECT_MS } from "../wire/limits.ts";

/** More than this between two looks is sleep: a suspended laptop, a stopped process. */
const ASLEEP_MS = 5_000;

/** What to do about a lane now. `suspect`: dial a replacement, but keep this one until the new one is there. */
export type Verdict = { ping: boolean; suspect: boolean; dead: boolean; silentMs: number };

/** When to ping, when to suspect, when to give up: pure, on given clocks. */
export class Keepalive {
  readonly #jitter: number;
  #receivedAt: number;
  #pingedAt: number | null = null;
  /** When the oldest unanswered ping went out. */
  #unansweredSince: number | null = null;
  #checkedAt: number | null = null;
  #asleep = false;

  /** `now` monotonic milliseconds; `jitter` in [0, 1) spreads the pings of many lanes. */
  constructor(now: number, jitter: number) {
    this.#receivedAt = now;
    this.#jitter = 0.9 + jitter / 5;
  }

  /** A message came; `pong` if it answers a ping. Answers the round trip in that case. */
  received(now: number, pong: boolean): number | null {
    this.#receivedAt = now;
    this.#asleep = false;
    const rtt = pong && this.#unansweredSince !== null ? now - this.#unansweredSince : null;
    this.#unansweredSince = null;
    return rtt;
  }

  /**
   * Called at least once a second. `sinceBoot`: milliseconds since the machine was started, its sleep included; a clock that is set
   * does not change it. `waiting`: bytes of ours are not consumed yet.
   */
  check(now: number, sinceBoot: number, waiting: boolean): Verdict {
    const gap = this.#checkedAt === null ? 0 : sinceBoot - this.#checkedAt;
    this.#checkedAt = sinceBoot;
    if (gap > ASLEEP_MS) {
      // What was on its way is old, and what we heard last says nothing: ask before judging.
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
