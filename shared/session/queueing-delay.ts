/** Samples of the path, and the least milliseconds between two, after which an older least transit is dropped. */
const SAMPLES = 4;
const SAMPLE_MS = 750;
/** Part of the elapsed time by which two clocks may drift apart: each quartz is right to half of it. */
const DRIFT = 0.0001;

/**
 * Measures how long datagrams are queued on the path, with clocks that don't agree: their difference is part of every transit
 * alike, so a transit's excess over the least one of the last seconds is queueing. Datagrams that were held up and arrive
 * together are one sample, however many they are. A path that has become longer is recognised after some seconds.
 */
export class QueueingDelay {
  /** The least transit of the present samples, and of those before, in milliseconds between two clocks. */
  #least = Number.POSITIVE_INFINITY;
  #former = Number.POSITIVE_INFINITY;
  #samples = 0;
  #sampledAt = Number.NEGATIVE_INFINITY;
  #receivedAt = Number.POSITIVE_INFINITY;

  /**
   * Takes a datagram sent at `sent` by the far end's clock and received at `now` by this one. Returns the milliseconds that it
   * was queued. `isFull`: its sender sends more than the path carries, so that everything is queued: not a sample.
   */
  measure(sent: number, now: number, isFull = false): number {
    const transit = now - sent;
    const drift = Math.max(0, now - this.#receivedAt) * DRIFT;
    this.#receivedAt = now;
    this.#former += drift;
    this.#least = Math.min(this.#least + drift, transit);
    const waited = transit - Math.min(this.#least, this.#former);
    if (!isFull) this.#sample(transit, now);
    return Math.max(0, waited);
  }

  #sample(transit: number, now: number): void {
    if (now - this.#sampledAt < SAMPLE_MS) return;
    this.#sampledAt = now;
    this.#samples += 1;
    if (this.#samples <= SAMPLES) return;
    this.#samples = 1;
    this.#former = this.#least;
    this.#least = transit;
  }
}
