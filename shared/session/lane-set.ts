/** `first`: there was no lane; `again`: frames may have been lost on a former lane of this index; `new`: no frame was lost. */
export type Arrival = "first" | "again" | "new";

/**
 * The lanes that an end has now. A relay notices the loss of a lane later than the end, or never: until a new lane of the same
 * index comes, it goes on sending into the lost one, and those frames are lost.
 */
export class LaneSet<L> {
  readonly #live = new Map<number, L>();
  /** How often each index was dialled: after the first dial the relay may have a lane of it, even if the end never had one. */
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

  /** Notes that a lane of this index is being dialled. */
  dialling(index: number): void {
    this.#dials.set(index, (this.#dials.get(index) ?? 0) + 1);
  }

  /** Adds a lane, perhaps in place of one that was suspected to be dead. Returns what that means for the sessions. */
  enter(index: number, lane: L): Arrival {
    const first = this.#live.size === 0;
    this.#live.set(index, lane);
    if (first) return "first";
    return (this.#dials.get(index) ?? 0) > 1 ? "again" : "new";
  }

  /** Removes a lane that is over. */
  leave(index: number): void {
    this.#live.delete(index);
  }

  /** The lane with this index, else the lowest one. */
  at(index: number): L | undefined {
    const named = this.#live.get(index);
    if (named !== undefined || this.#live.size === 0) return named;
    return this.#live.get(Math.min(...this.#live.keys()));
  }

  /** Picks the index of a lane for the next stream, in turns; 0 only when there is no other. */
  nextData(): number {
    this.#turn += 1;
    const data = [...this.#live.keys()].filter((index) => index > 0);
    return data[this.#turn % Math.max(1, data.length)] ?? 0;
  }
}
