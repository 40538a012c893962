/** Milliseconds that each failed login adds to its source's wait, up to `MAX_WAIT_MS` (as in OpenSSH's PerSourcePenalties). */
const STEP_MS = 5_000;
const MAX_WAIT_MS = 60_000;
/** Sources remembered; beyond this number, the one that failed longest ago is forgotten. */
const MAX_SOURCES = 1_000;

type Penalty = { failures: number; until: number };

/** Slows down guessing of the admin secret. In memory only: losing it at a restart costs nothing with a secret of enough length. */
export class LoginPenalties {
  readonly #sources = new Map<string, Penalty>();

  /** Returns the milliseconds until `source` may try again; 0 for now. */
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
