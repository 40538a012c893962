/** Milliseconds of its rate that a pacer lets through at once: short answers are not delayed, long ones are even. */
const BURST_MS = 250;
/** Milliseconds a datagram would have to wait before it is dropped instead: late voice is worse than none. */
const LATE_MS = 100;

export type PacerHost = {
  /** Monotonic milliseconds. */
  now: () => number;
  later: (ms: number, run: () => void) => void;
};

/** Lets a number of bytes a second through, of all who share it, in the order they came. What is too much waits. */
export class Pacer {
  readonly #host: PacerHost;
  readonly #rate: number;
  /** When all that was let through, or waits, will have been sent at the rate. */
  #busyUntil = Number.NEGATIVE_INFINITY;
  readonly #waiting: { at: number; go: () => void }[] = [];

  /** `rate` in bytes a second. */
  constructor(rate: number, host: PacerHost) {
    this.#rate = rate;
    this.#host = host;
  }

  /** Calls `go` at once if `bytes` fit, else as soon as they do. */
  take(bytes: number, go: () => void): void {
    const now = this.#host.now();
    const at = this.#begin(now);
    this.#busyUntil = at + (bytes / this.#rate) * 1000;
    if (at <= now && this.#waiting.length === 0) return go();
    this.#waiting.push({ at, go });
    if (this.#waiting.length === 1) this.#wait(at - now);
  }

  /** Takes `bytes` that can't wait, such as a datagram; false when there is no room for them soon. */
  takeNow(bytes: number): boolean {
    const now = this.#host.now();
    const at = this.#begin(now);
    if (at > now + LATE_MS) return false;
    this.#busyUntil = at + (bytes / this.#rate) * 1000;
    return true;
  }

  #begin(now: number): number {
    return Math.max(this.#busyUntil, now - BURST_MS);
  }

  #wait(ms: number): void {
    this.#host.later(Math.max(1, Math.ceil(ms)), () => {
      const now = this.#host.now();
      for (;;) {
        const next = this.#waiting[0];
        if (next === undefined) return;
        if (next.at > now) return this.#wait(next.at - now);
        this.#waiting.shift();
        next.go();
      }
    });
  }
}

/** What a stream is paced by, each way; shared by all streams of a mapping. */
export type Pacers = { in: Pacer; out: Pacer };
