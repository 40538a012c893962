import { DATAGRAM_DEADLINE_MS } from "../wire/limits.ts";

/** Milliseconds between two beats. */
export const BEAT_MS = 50;
/** Milliseconds without a beat after which what sockets hold is more likely too old than not. */
const STALL_MS = 2 * DATAGRAM_DEADLINE_MS + BEAT_MS;
/** Turns, and milliseconds, after which sockets that are never empty hold nothing of that time: libuv reads 32 of each in a turn. */
const MOST_TURNS = 64;
const MOST_MS = DATAGRAM_DEADLINE_MS;

export type EventLoopStallHost = {
  /** Monotonic milliseconds. */
  now: () => number;
  /** Runs it at the end of this turn of the event loop, when all sockets were read; when called from there, of the next. */
  afterTurn: (run: () => void) => void;
};

/**
 * Notices that this process stood still (it was stopped, or had no time): what its UDP sockets hold then came meanwhile, and
 * nothing says when. All of it counts as old, until a whole turn of the event loop finds nothing more to read.
 */
export class EventLoopStall {
  readonly #host: EventLoopStallHost;
  #beatAt: number;
  #stalledUntil: number | null = null;
  #turns = 0;
  #reads = 0;

  constructor(host: EventLoopStallHost) {
    this.#host = host;
    this.#beatAt = host.now();
  }

  /** To be called every BEAT_MS while sockets are open. */
  readonly beat = (): void => {
    const now = this.#host.now();
    const stood = now - this.#beatAt;
    this.#beatAt = now;
    if (stood <= STALL_MS) return;
    const isEmptying = this.#stalledUntil !== null;
    this.#stalledUntil = now;
    this.#turns = 0;
    if (!isEmptying) this.#host.afterTurn(this.#afterTurn);
  };

  /** To be asked once for each datagram, when a socket gives it: whether it may have been there for too long. */
  isStale(): boolean {
    this.beat();
    if (this.#stalledUntil === null) return false;
    this.#reads += 1;
    return true;
  }

  readonly #afterTurn = (): void => {
    const tookMs = this.#host.now() - (this.#stalledUntil ?? 0);
    const isBusy = this.#turns > MOST_TURNS && tookMs > MOST_MS;
    // The first turn may have been under way when the process stopped.
    if (isBusy || (this.#turns > 0 && this.#reads === 0)) {
      this.#stalledUntil = null;
      return;
    }
    this.#turns += 1;
    this.#reads = 0;
    this.#host.afterTurn(this.#afterTurn);
  };
}
