/** `first`: there was no lane; `again`: frames may have been lost on a former lane of its index; `new`: nothing was lost. */
export type Arrival = "first" | "again" | "new";

/**
 * The lanes that an end has now, and what the coming and going of one means. A relay notices the loss of a lane later than its
 * end, or never: until another lane of that index comes it goes on sending into the lost one, and then all of that is gone.
 */
export class LaneSet<L> {
  readonly #live = new Map<number, L>();
  /** How often each index was dialled: after the first dial the relay may have a lane of it, even if its end never had one. */
  readonly #dials = new Map<number, number>();
  #turn = 0;

  get size(): number {
    return this.#live.size;
  }

  get all(): Iterable<[number, L]> {
    return this.#live;
  }

  has(index: number): boolean {
    return this.#live.has(index);
  }

  /** A dial of that index begins. */
  dialling(index: number): void {
    this.#dials.set(index, (this.#dials.get(index) ?? 0) + 1);
  }

  /** A lane is there, perhaps in the place of one that was suspected to be dead. */
  enter(index: number, lane: L): Arrival {
    const first = this.#live.size === 0;
    this.#live.set(index, lane);
    if (first) return "first";
    return (this.#dials.get(index) ?? 0) > 1 ? "again" : "new";
  }

  /** A lane is over. */
  leave(index: number): void {
    this.#live.delete(index);
  }

  /** The lane named, else the lowest live one. */
  at(index: number): L | undefined {
    const named = this.#live.get(index);
    if (named !== undefined || this.#live.size === 0) return named;
    return this.#live.get(Math.min(...this.#live.keys()));
  }

  /** The index of a lane for the next stream, each in its turn; 0 only when there is no other. */
  nextData(): number {
    this.#turn += 1;
    const data = [...this.#live.keys()].filter((index) => index > 0);
    return data[this.#turn % Math.max(1, data.length)] ?? 0;
  }
}
