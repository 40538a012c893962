/** Bytes of messages that may wait in the platform for a visitor who reads slowly. */
export const MOST_QUEUED = 4 * 1024 * 1024;
/** Milliseconds between two looks at a queue that was full: the platform has no event for it. */
const LOOK_MS = 50;

type Pause = (look: () => void, ms: number) => void;

/**
 * Consumption of a WebSocket's messages, held back while too much waits for the visitor: the target is stopped then, as
 * credit runs out. Where the platform does not tell what waits (workerd before November 2026), nothing is held.
 */
export class Held {
  readonly #queued: () => number;
  readonly #consumed: (bytes: number) => void;
  readonly #pause: Pause;
  #bytes = 0;
  #isLooking = false;

  constructor(
    queued: () => number,
    consumed: (bytes: number) => void,
    pause: Pause = (look, ms) => void setTimeout(look, ms),
  ) {
    this.#queued = queued;
    this.#consumed = consumed;
    this.#pause = pause;
  }

  /** That many bytes were sent to the visitor. */
  sent(bytes: number): void {
    this.#bytes += bytes;
    if (!this.#isLooking) this.#look();
  }

  /** The stream is over: nobody waits any more. */
  stop(): void {
    this.#bytes = 0;
  }

  #look(): void {
    this.#isLooking = this.#bytes > 0 && this.#queued() > MOST_QUEUED;
    if (this.#isLooking) return this.#pause(() => this.#look(), LOOK_MS);
    const bytes = this.#bytes;
    this.#bytes = 0;
    if (bytes > 0) this.#consumed(bytes);
  }
}

/** Bytes handed to the platform and not yet on their way; 0 where it does not tell. */
export function queuedAt(socket: object): number {
  return "bufferedAmount" in socket && typeof socket.bufferedAmount === "number" ? socket.bufferedAmount : 0;
}
