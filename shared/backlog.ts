/** A reader that this process keeps bytes for. */
export interface Waiter {
  /** Where it comes from: an address, a target. Backlogs are compared by source, and then by waiter. */
  readonly source: string;
  /** Bytes that wait for it now, with what keeping them costs. */
  readonly waiting: () => number;
  /** Drops what waits, because others need the room; it is not counted afterwards. */
  readonly evict: () => void;
}

/** Milliseconds between two looks at all waiters, which find out what has been read meanwhile. */
const LOOK_MS = 50;
/** Part of the room for readers whose senders can be made to wait: what is on its way already comes on top. */
const PATIENT_PART = 1 / 4;

/**
 * Holds to one bound what waits in one process for readers that are slow or have stopped. Beyond it the source with the
 * largest backlog loses its largest waiter: a sender that can't be made to wait must not take the room of all others.
 */
export class Backlog {
  readonly #most: number;
  readonly #now: () => number;
  /** By waiter, the bytes that were found last. */
  readonly #found = new Map<Waiter, number>();
  #total = 0;
  #looked = Number.NEGATIVE_INFINITY;

  /** `most`: bytes for all together. `now` in milliseconds. */
  constructor(most: number, now: () => number = () => Date.now()) {
    this.#most = most;
    this.#now = now;
  }

  /** Bytes that were found waiting last. */
  get total(): number {
    return this.#total;
  }

  /** Counts a waiter from its first note on, until it is removed. */
  note(waiter: Waiter): void {
    this.#look(waiter);
    if (this.#total <= this.#most) return;
    this.#lookAtAll();
    while (this.#total > this.#most) this.#evict(this.#largest());
  }

  remove(waiter: Waiter): void {
    this.#total -= this.#found.get(waiter) ?? 0;
    this.#found.delete(waiter);
  }

  /**
   * Answers how many bytes may wait for one waiter before its sender is made to wait: as many as are left free, so that
   * the first readers that stop do not take all, and at most `most`.
   */
  share(waiter: Waiter, most: number): number {
    if (this.#left(waiter) < most && this.#now() - this.#looked >= LOOK_MS) this.#lookAtAll();
    return Math.max(0, Math.min(most, this.#left(waiter)));
  }

  #left(waiter: Waiter): number {
    return (this.#most * PATIENT_PART - this.#total + (this.#found.get(waiter) ?? 0)) / 2;
  }

  #look(waiter: Waiter): void {
    const bytes = waiter.waiting();
    this.#total += bytes - (this.#found.get(waiter) ?? 0);
    this.#found.set(waiter, bytes);
  }

  #lookAtAll(): void {
    this.#looked = this.#now();
    for (const waiter of this.#found.keys()) this.#look(waiter);
  }

  #evict(waiter: Waiter): void {
    this.remove(waiter);
    waiter.evict();
  }

  /** The waiter that holds most, of the source that does. */
  #largest(): Waiter {
    const sources = new Map<string, number>();
    for (const [{ source }, bytes] of this.#found) sources.set(source, (sources.get(source) ?? 0) + bytes);
    const [largest] = [...this.#found].toSorted(
      ([a, ofA], [b, ofB]) => (sources.get(b.source) ?? 0) - (sources.get(a.source) ?? 0) || ofB - ofA,
    );
    if (largest === undefined) throw new Error("nothing waits, and yet it is too much");
    return largest[0];
  }
}
