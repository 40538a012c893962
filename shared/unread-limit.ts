/** A reader for which this process keeps bytes. */
export interface SlowReader {
  /** Its address or target. Unread bytes are compared by source, and then by reader. */
  readonly source: string;
  /** Bytes that it has unread now, with the overhead of keeping them. */
  readonly unread: () => number;
  /** Drops its unread bytes, because all together are too many. It is not counted afterwards. */
  readonly evict: () => void;
}

/** Milliseconds between two measurements of all readers, which show what they have read since. */
const MEASURE_MS = 50;
/** Part of the limit for readers whose senders can be made to wait: bytes in flight come on top of it. */
const FLOW_CONTROLLED_PART = 1 / 4;

/**
 * Limits the bytes that one process keeps for slow or stalled readers. Beyond it, the source with most unread bytes loses its
 * largest reader, so that a sender that can't be made to wait doesn't use up the limit for all others.
 */
export class UnreadLimit {
  readonly #max: number;
  readonly #now: () => number;
  /** By waiter, the bytes that were found last. */
  readonly #measured = new Map<SlowReader, number>();
  #total = 0;
  #measuredAt = Number.NEGATIVE_INFINITY;

  /** `most`: bytes for all readers together. `now` returns milliseconds. */
  constructor(most: number, now: () => number = () => Date.now()) {
    this.#max = most;
    this.#now = now;
  }

  /** Unread bytes of all readers, as last measured. */
  get total(): number {
    return this.#total;
  }

  /** Measures a reader, and evicts the largest ones while the total is over the limit. It counts until it is removed. */
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
   * Returns how many bytes one reader may have unread before its sender is made to wait: as many as are left free, so that the
   * first readers that stall don't use up everything, and at most `most`.
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

  /** The reader with most unread bytes, of the source with most. */
  #largest(): SlowReader {
    const sources = new Map<string, number>();
    for (const [{ source }, bytes] of this.#measured) sources.set(source, (sources.get(source) ?? 0) + bytes);
    const [largest] = [...this.#measured].toSorted(
      ([a, bytesA], [b, bytesB]) => (sources.get(b.source) ?? 0) - (sources.get(a.source) ?? 0) || bytesB - bytesA,
    );
    if (largest === undefined) throw new Error("over the limit without a reader");
    return largest[0];
  }
}
