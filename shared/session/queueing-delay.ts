/** Looks at the path, so many milliseconds apart at least, after which an older least is forgotten. */
const LOOKS = 4;
const LOOK_MS = 750;
/** Part of the time that passes by which two clocks drift apart: quartzes are right to half of that each. */
const DRIFT = 0.0001;

/**
 * Tells how much later datagrams come than they could, without clocks that agree: what the clocks differ by is in each
 * transit alike, so what a transit has over the least of late was spent waiting. What was held up on the way and comes at
 * once is one look at the path, however much it is, and changes nothing; a path that has become longer is believed after some seconds.
 */
export class QueueingDelay {
  /** The least of the last looks, and of those before: transit times between clocks that differ. */
  #least = Number.POSITIVE_INFINITY;
  #former = Number.POSITIVE_INFINITY;
  #looks = 0;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #heardAt = Number.POSITIVE_INFINITY;

  /**
   * Takes what was sent at `sent` by the far end's clock, `now` by ours. Answers the milliseconds that it waited on the way.
   * `isFull`: its sender has more to say than the path carries, so that all of it waits: nothing is to be learned from that.
   */
  measure(sent: number, now: number, isFull = false): number {
    const transit = now - sent;
    const drift = Math.max(0, now - this.#heardAt) * DRIFT;
    this.#heardAt = now;
    this.#former += drift;
    this.#least = Math.min(this.#least + drift, transit);
    const waited = transit - Math.min(this.#least, this.#former);
    if (!isFull) this.#look(transit, now);
    return Math.max(0, waited);
  }

  #look(transit: number, now: number): void {
    if (now - this.#lookedAt < LOOK_MS) return;
    this.#lookedAt = now;
    this.#looks += 1;
    if (this.#looks <= LOOKS) return;
    this.#looks = 1;
    this.#former = this.#least;
    this.#least = transit;
  }
}
