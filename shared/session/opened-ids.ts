/** Ids skipped that can still be opened; older ones count as ended. */
const MOST_SKIPPED = 1_024;

/** Which stream ids have ever been opened: all up to the highest, but for the few that came late on another lane. */
export class OpenedIds {
  #highest = 0;
  #skipped = new Set<number>();

  /** Whether an id has come. */
  has(id: number): boolean {
    return id <= this.#highest && !this.#skipped.has(id);
  }

  /** True the first time an id comes. */
  add(id: number): boolean {
    if (id <= this.#highest) return this.#skipped.delete(id);
    for (let skipped = Math.max(this.#highest + 1, id - MOST_SKIPPED); skipped < id; skipped += 1)
      this.#skipped.add(skipped);
    this.#highest = id;
    for (const oldest of this.#skipped) {
      if (this.#skipped.size <= MOST_SKIPPED) break;
      this.#skipped.delete(oldest);
    }
    return true;
  }
}
