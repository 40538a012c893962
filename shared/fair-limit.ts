/** Places that many share. Nobody may hold more of them than are left free, so whoever takes all it can get leaves room for others. */
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

  /** Whether `who` may take one more. */
  canAcquire(who: K): boolean {
    return this.heldBy(who) < this.#max - this.#inUse;
  }

  heldBy(who: K): number {
    return this.#byHolder.get(who) ?? 0;
  }

  /** Takes a place if there is one for `who`. Give it back with `leave`. */
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
