import { DATAGRAM_DEADLINE_MS } from "../wire/limits.ts";

/** Milliseconds between two calls of `beat`. */
export const BEAT_MS = 50;
/** Milliseconds without a beat after which datagrams in sockets are more likely too old than not. */
const STALL_MS = 2 * DATAGRAM_DEADLINE_MS + BEAT_MS;
/**
 * Turns of the event loop, and milliseconds, after which no datagram of the stall is left even in sockets that are never
 * empty: libuv reads 32 of each in a turn.
 */
const MAX_TURNS = 64;
const MAX_MS = DATAGRAM_DEADLINE_MS;

export type EventLoopStallHost = {
  /** Monotonic milliseconds. */
  now: () => number;
  /**
   * Calls `run` at the end of this turn of the event loop, after its sockets were read; from such a call, at the end of the
   * next.
   */
  afterTurn: (run: () => void) => void;
};

/**
 * Detects that the event loop of this process stalled: it was stopped, or got no CPU time. The datagrams in its UDP sockets came
 * in that time, and no one can say when. All count as old until a whole turn of the event loop has found no more to read.
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

  /** Call it every BEAT_MS while sockets are open. */
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

  /** Whether a datagram may have waited in its socket for too long. Call it once for each datagram that is read. */
  isStale(): boolean {
    this.beat();
    if (this.#stalledUntil === null) return false;
    this.#reads += 1;
    return true;
  }

  readonly #afterTurn = (): void => {
    const tookMs = this.#host.now() - (this.#stalledUntil ?? 0);
    const isBusy = this.#turns > MAX_TURNS && tookMs > MAX_MS;
    // The first turn may have begun before the stall.
    if (isBusy || (this.#turns > 0 && this.#reads === 0)) {
      this.#stalledUntil = null;
      return;
    }
    this.#turns += 1;
    this.#reads = 0;
    this.#host.afterTurn(this.#afterTurn);
  };
}
