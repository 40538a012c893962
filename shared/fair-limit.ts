/**
 * A limit that many holders share. No holder may have more than are left free, so that a greedy one leaves as many for others.
 */
export class FairLimit<K> {
  readonly #max: number;
  readonly #byHolder = new Map<K, number>();
  #inUse = 0;

  constructor(most: number) {
    this.#max = most;
  }

  get inUse(): number {
    return this.#inUse;
  }

  /** Whether a holder may have one more. */
  canAcquire(who: K): boolean {
    return this.heldBy(who) < this.#max - this.#inUse;
  }

  heldBy(who: K): number {
    return this.#byHolder.get(who) ?? 0;
  }

  /** Takes one for a holder, to be given back with `release`. Returns false if it may have no more. */
  acquire(who: K): boolean {
    if (!this.canAcquire(who)) return false;
    this.#byHolder.set(who, this.heldBy(who) + 1);
    this.#inUse += 1;
    return true;
  }

  release(who: K): void {
    const held = this.heldBy(who);
    if (held === 0) return;
    this.#inUse -= 1;
    if (held === 1) this.#byHolder.delete(who);
    else this.#byHolder.set(who, held - 1);
  }
}
