/** Skipped ids that can still be opened; older ones count as ended. */
const MAX_SKIPPED = 1_024;

/**
 * The stream ids that have been opened: all up to the highest, except a few skipped ones, which may come late on another lane.
 */
export class OpenedIds {
  #highest = 0;
  #skipped = new Set<number>();

  /** Whether an id has been opened. */
  has(id: number): boolean {
    return id <= this.#highest && !this.#skipped.has(id);
  }

  /** Adds an id. Returns false if it was opened before. */
  add(id: number): boolean {
    if (id <= this.#highest) return this.#skipped.delete(id);
    for (let skipped = Math.max(this.#highest + 1, id - MAX_SKIPPED); skipped < id; skipped += 1)
      this.#skipped.add(skipped);
    this.#highest = id;
    for (const oldest of this.#skipped) {
      if (this.#skipped.size <= MAX_SKIPPED) break;
      this.#skipped.delete(oldest);
    }
    return true;
  }
}
