import type { End } from "../lanes/lanes.ts";

/** A visitor waits for an agent that was here so recently, and so long (milliseconds). */
const RECENT_MS = 5_000;
const WAIT_MS = 2_000;

/** Agents whose lanes are lost, while streams of theirs wait; and the visitors who come meanwhile. */
export class AwayAgents {
  readonly #away = new Map<number, { identity: string; incarnation: string }>();
  readonly #waiting = new Set<() => void>();
  #lostAt = Number.NEGATIVE_INFINITY;

  /** The last lane of an agent is gone. `keep`: it has streams that may go on when it is back. */
  left(end: End, keep: boolean): void {
    this.#lostAt = Date.now();
    if (keep) this.#away.set(end.number, { identity: end.identity, incarnation: end.incarnation });
  }

  /** Its streams are over, or it is back. */
  forget(slot: number): void {
    this.#away.delete(slot);
  }

  /** The slot of this very process, if it is awaited. */
  slotOf(identity: string, incarnation: string): number | undefined {
    for (const [slot, end] of this.#away) if (end.identity === identity && end.incarnation === incarnation) return slot;
    return undefined;
  }

  /** Slots of former processes of this identity: they will not come back. */
  formerSlots(identity: string, incarnation: string): number[] {
    return [...this.#away]
      .filter(([, end]) => end.identity === identity && end.incarnation !== incarnation)
      .map(([slot]) => slot);
  }

  /** An agent is there. */
  arrived(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  /** Resolves when an agent comes, or when waiting is pointless. */
  wait(): Promise<void> {
    if (Date.now() - this.#lostAt > RECENT_MS) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, WAIT_MS);
      this.#waiting.add(done);
    });
  }
}
