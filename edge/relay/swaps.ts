/** Changes of process of one identity within this many milliseconds that are a fight, not a restart. */
const PERIOD_MS = 60_000;
const MOST = 3;

/** Two processes with one token push each other out for ever: noticed here, and settled for the elder. */
export class Swaps {
  readonly #byIdentity = new Map<string, number[]>();

  /** A new process of an identity wants in while another is there. False: it is one too many within a minute. */
  permit(identity: string, now: number): boolean {
    const recent = (this.#byIdentity.get(identity) ?? []).filter((at) => now - at < PERIOD_MS);
    if (recent.length >= MOST) return false;
    this.#byIdentity.set(identity, [...recent, now]);
    return true;
  }
}
