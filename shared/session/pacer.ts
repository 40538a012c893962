/** Milliseconds of its rate that a pacer lets through at once: short answers are not delayed. */
const BURST_MS = 250;
/** Milliseconds beyond which a datagram is dropped instead of delayed: late voice is worse than none. */
const LATE_MS = 100;

export type PacerHost = {
  /** Monotonic milliseconds. */
  now: () => number;
  later: (ms: number, run: () => void) => void;
};

/** Delays the bytes of the streams that share it to a rate, in the order in which they came. */
export class Pacer {
  readonly #host: PacerHost;
  readonly #rate: number;
  /** When everything that was let through or waits will have been sent at the rate. */
  #busyUntil = Number.NEGATIVE_INFINITY;
  readonly #waiting: { at: number; go: () => void }[] = [];

  /** `rate` in bytes a second. */
  constructor(rate: number, host: PacerHost) {
    this.#rate = rate;
    this.#host = host;
  }

  /** Calls `go` as soon as the rate allows `bytes` more: at once, if it does now. */
  take(bytes: number, go: () => void): void {
    const now = this.#host.now();
    const at = this.#begin(now);
    this.#busyUntil = at + (bytes / this.#rate) * 1000;
    if (at <= now && this.#waiting.length === 0) return go();
    this.#waiting.push({ at, go });
    if (this.#waiting.length === 1) this.#wait(at - now);
  }

  /** Counts a datagram of `bytes`, which is sent now. Returns false, and counts nothing, if it would have to wait too long. */
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

/** The pacers of a mapping, one for each direction; all its streams share them. */
export type Pacers = { in: Pacer; out: Pacer };
