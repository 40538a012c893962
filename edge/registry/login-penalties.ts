/** Milliseconds a source waits after each failed login: they add up to the bound (as OpenSSH does it). */
const STEP_MS = 5_000;
const MAX_WAIT_MS = 60_000;
/** Sources remembered; with more at once, the one that waited longest is let off. */
const MAX_SOURCES = 1_000;

type Penalty = { failures: number; until: number };

/** Slows down guessing. In memory only: forgetting it now and then costs nothing against a secret worth the name. */
export class LoginPenalties {
  readonly #sources = new Map<string, Penalty>();

  /** Milliseconds until `source` may try again; 0: now. */
  wait(source: string, now: number): number {
    return Math.max(0, (this.#sources.get(source)?.until ?? 0) - now);
  }

  fail(source: string, now: number): void {
    const failures = (this.#sources.get(source)?.failures ?? 0) + 1;
    this.#sources.delete(source);
    const [oldest] = this.#sources.keys();
    if (oldest !== undefined && this.#sources.size >= MAX_SOURCES) this.#sources.delete(oldest);
    this.#sources.set(source, { failures, until: now + Math.min(failures * STEP_MS, MAX_WAIT_MS) });
  }

  forgive(source: string): void {
    this.#sources.delete(source);
  }
}
