/** A reader that this process keeps bytes for. */
export interface SlowReader {
  /** Where it comes from: an address, a target. Backlogs are compared by source, and then by waiter. */
  readonly source: string;
  /** Bytes that wait for it now, with what keeping them costs. */
  readonly unread: () => number;
  /** Drops what waits, because others need the room; it is not counted afterwards. */
  readonly evict: () => void;
}

/** Milliseconds between two looks at all waiters, which find out what has been read meanwhile. */
const MEASURE_MS = 50;
/** Part of the room for readers whose senders can be made to wait: what is on its way already comes on top. */
const FLOW_CONTROLLED_PART = 1 / 4;

/**
 * Holds to one bound what waits in one process for readers that are slow or have stopped. Beyond it the source with the
 * largest backlog loses its largest waiter: a sender that can't be made to wait must not take the room of all others.
 */
export class UnreadLimit {
  readonly #max: number;
  readonly #now: () => number;
  /** By waiter, the bytes that were found last. */
  readonly #measured = new Map<SlowReader, number>();
  #total = 0;
  #measuredAt = Number.NEGATIVE_INFINITY;

  /** `most`: bytes for all together. `now` in milliseconds. */
  constructor(most: number, now: () => number = () => Date.now()) {
    this.#max = most;
    this.#now = now;
  }

  /** Bytes that were found waiting last. */
  get total(): number {
    return this.#total;
  }

  /** Counts a waiter from its first note on, until it is removed. */
  note(waiter: SlowReader): void {
    this.#measure(waiter);
    if (this.#total <= this.#max) return;
    this.#measureAll();
    while (this.#total > this.#max) this.#evict(this.#largest());
  }

  remove(waiter: SlowReader): void {
    this.#total -= this.#measured.get(waiter) ?? 0;
    this.#measured.delete(waiter);
  }

  /**
   * Answers how many bytes may wait for one waiter before its sender is made to wait: as many as are left free, so that
   * the first readers that stop do not take all, and at most `most`.
   */
  limitFor(waiter: SlowReader, most: number): number {
    if (this.#left(waiter) < most && this.#now() - this.#measuredAt >= MEASURE_MS) this.#measureAll();
    return Math.max(0, Math.min(most, this.#left(waiter)));
  }

  #left(waiter: SlowReader): number {
    return (this.#max * FLOW_CONTROLLED_PART - this.#total + (this.#measured.get(waiter) ?? 0)) / 2;
  }

  #measure(waiter: SlowReader): void {
    const bytes = waiter.unread();
    this.#total += bytes - (this.#measured.get(waiter) ?? 0);
    this.#measured.set(waiter, bytes);
  }

  #measureAll(): void {
    this.#measuredAt = this.#now();
    for (const waiter of this.#measured.keys()) this.#measure(waiter);
  }

  #evict(waiter: SlowReader): void {
    this.remove(waiter);
    waiter.evict();
  }

  /** The waiter that holds most, of the source that does. */
  #largest(): SlowReader {
    const sources = new Map<string, number>();
    for (const [{ source }, bytes] of this.#measured) sources.set(source, (sources.get(source) ?? 0) + bytes);
    const [largest] = [...this.#measured].toSorted(
      ([a, bytesA], [b, bytesB]) => (sources.get(b.source) ?? 0) - (sources.get(a.source) ?? 0) || bytesB - bytesA,
    );
    if (largest === undefined) throw new Error("nothing waits, and yet it is too much");
    return largest[0];
  }
}
