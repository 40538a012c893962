import type { End } from "../lanes/lanes.ts";

/** A visitor waits up to WAIT_MS for an agent if the last one was lost within RECENT_MS. */
const RECENT_MS = 5_000;
const WAIT_MS = 2_000;

/** Agents that have lost all lanes while their streams wait for them, and visitors that wait for an agent. */
export class AwayAgents {
  readonly #away = new Map<number, { identity: string; incarnation: string }>();
  readonly #waiting = new Set<() => void>();
  #lostAt = Number.NEGATIVE_INFINITY;

  /** Handles the loss of an agent's last lane. `keep`: it has streams that may go on when it is back, so its slot is kept. */
  agentLost(end: End, keep: boolean): void {
    this.#lostAt = Date.now();
    if (keep) this.#away.set(end.number, { identity: end.identity, incarnation: end.incarnation });
  }

  /** Drops the slot of an agent: its streams are over, or it is back. */
  forget(slot: number): void {
    this.#away.delete(slot);
  }

  /** Returns the slot kept for this agent process, if there is one. */
  slotOf(identity: string, incarnation: string): number | undefined {
    for (const [slot, end] of this.#away) if (end.identity === identity && end.incarnation === incarnation) return slot;
    return undefined;
  }

  /** Returns the slots kept for earlier processes of this identity, which will not come back. */
  formerSlots(identity: string, incarnation: string): number[] {
    return [...this.#away]
      .filter(([, end]) => end.identity === identity && end.incarnation !== incarnation)
      .map(([slot]) => slot);
  }

  /** Wakes the waiting visitors: an agent has joined. */
  agentJoined(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  /** Resolves when an agent joins, or when waiting is pointless. */
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
