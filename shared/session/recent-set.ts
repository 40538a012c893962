/** A set of the last `capacity` values; the oldest is dropped first. */
export class RecentSet<T> {
  readonly #capacity: number;
  readonly #values = new Set<T>();

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  add(value: T): void {
    this.#values.add(value);
    if (this.#values.size <= this.#capacity) return;
    const oldest = this.#values.values().next();
    if (oldest.done !== true) this.#values.delete(oldest.value);
  }

  has(value: T): boolean {
    return this.#values.has(value);
  }
}
