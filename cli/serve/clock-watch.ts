import { deferred } from "../../link/deferred.ts";
import type { Log } from "../../link/log.ts";
import { sinceBoot } from "../../link/edge-time.ts";

/** Milliseconds between looks at the clock. */
const CHECK_INTERVAL_MS = 1_000;
/** Milliseconds that a clock may be set without a word: what is corrected again and again. */
const MIN_CHANGE_MS = 5_000;

/**
 * Notices that the clock was set back. In an object of workerd time never goes back, it stands still instead (measured, workerd
 * 2026-10-23): for an hour or for days no limit would refill there, and no answer would count as new. A workerd that is started
 * again has the right time. A clock that is set on is only told.
 */
export class ClockWatch {
  readonly #log: Log;
  readonly #now: () => number;
  #next = deferred<string>();
  #ahead: number;

  /** `now`: milliseconds since 1970 and since the machine was started, for tests. */
  constructor(log: Log, now: () => { wall: number; boot: number } = () => ({ wall: Date.now(), boot: sinceBoot() })) {
    this.#log = log;
    this.#now = () => {
      const { wall, boot } = now();
      return wall - boot;
    };
    this.#ahead = this.#now();
  }

  /** Resolves, with the reason, when the clock is set back the next time. */
  get setBack(): Promise<string> {
    return this.#next.promise;
  }

  /** Looks from time to time until `signal`. */
  watch(signal: AbortSignal): void {
    const timer = setInterval(() => this.check(), CHECK_INTERVAL_MS);
    timer.unref();
    signal.addEventListener("abort", () => clearInterval(timer), { once: true });
  }

  check(): void {
    const ahead = this.#now();
    const back = this.#ahead - ahead;
    // Little steps add up: only what is ahead of all so far moves the mark.
    if (back < -MIN_CHANGE_MS) this.#log("info", `the clock was set on by ${Math.round(-back / 1000)} s`);
    if (back > 0 && back < MIN_CHANGE_MS) return;
    this.#ahead = ahead;
    if (back <= 0) return;
    this.#next.resolve(`the clock was set back by ${Math.round(back / 1000)} s`);
    this.#next = deferred();
  }
}
