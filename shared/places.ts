/** Places that many share. Nobody may hold more of them than are left free, so whoever takes all it can get leaves room for others. */
export class Places<K> {
  readonly #most: number;
  readonly #held = new Map<K, number>();
  #taken = 0;

  constructor(most: number) {
    this.#most = most;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Whether `who` may take one more. */
  hasRoom(who: K): boolean {
    return this.of(who) < this.#most - this.#taken;
  }

  of(who: K): number {
    return this.#held.get(who) ?? 0;
  }

  /** Takes a place if there is one for `who`. Give it back with `leave`. */
  enter(who: K): boolean {
    if (!this.hasRoom(who)) return false;
    this.#held.set(who, this.of(who) + 1);
    this.#taken += 1;
    return true;
  }

  leave(who: K): void {
    const held = this.of(who);
    if (held === 0) return;
    this.#taken -= 1;
    if (held === 1) this.#held.delete(who);
    else this.#held.set(who, held - 1);
  }
}
