import { deferred } from "../../link/deferred.ts";
import type { Log } from "../../link/log.ts";
import { msSinceBoot } from "../../link/edge-time.ts";

/** Milliseconds between checks of the clock. */
const CHECK_INTERVAL_MS = 1_000;
/** Milliseconds by which a clock may be set without notice: smaller corrections are routine. */
const MIN_CHANGE_MS = 5_000;

/**
 * Notices when the clock was set back. In an object of workerd, time never goes back: it stops (measured, workerd
 * 2026-10-23): for hours or days no limit would refill there, and no answer would count as new. A restarted workerd has the
 * right time. A clock that was set forward is only logged.
 */
export class ClockWatch {
  readonly #log: Log;
  readonly #now: () => number;
  #next = deferred<string>();
  #ahead: number;

  /** `now`: milliseconds since 1970 and since the machine was started, for tests. */
  constructor(log: Log, now: () => { wall: number; boot: number } = () => ({ wall: Date.now(), boot: msSinceBoot() })) {
    this.#log = log;
    this.#now = () => {
      const { wall, boot } = now();
      return wall - boot;
    };
    this.#ahead = this.#now();
  }

  /** Resolves with the reason when the clock is set back the next time. */
  get setBack(): Promise<string> {
    return this.#next.promise;
  }

  /** Checks every second until `signal`. */
  watch(signal: AbortSignal): void {
    const timer = setInterval(() => this.check(), CHECK_INTERVAL_MS);
    timer.unref();
    signal.addEventListener("abort", () => clearInterval(timer), { once: true });
  }

  check(): void {
    const ahead = this.#now();
    const back = this.#ahead - ahead;
    if (back < -MIN_CHANGE_MS) this.#log("info", `the clock was set forward by ${Math.round(-back / 1000)} s`);
    // Small steps back do not lower the reference, so that they add up.
    if (back > 0 && back < MIN_CHANGE_MS) return;
    this.#ahead = ahead;
    if (back <= 0) return;
    this.#next.resolve(`the clock was set back by ${Math.round(back / 1000)} s`);
    this.#next = deferred();
  }
}
