/** A token bucket on a given clock: `rate` tokens per second, at most `burst` at once. */
export class Bucket {
  readonly #rate: number;
  readonly #burst: number;
  #level: number;
  #at: number | null = null;

  constructor(rate: number, burst: number) {
    this.#rate = rate;
    this.#burst = burst;
    this.#level = burst;
  }

  /** Takes one token; false if there is none. `now` in milliseconds; it must not go back. */
  take(now: number): boolean {
    const elapsed = Math.max(0, now - (this.#at ?? now));
    this.#at = now;
    this.#level = Math.min(this.#burst, this.#level + (elapsed / 1000) * this.#rate);
    if (this.#level < 1) return false;
    this.#level -= 1;
    return true;
  }
}
