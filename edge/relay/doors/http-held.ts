/** Bytes of messages that may wait in the platform for a visitor who reads slowly. */
export const MOST_QUEUED = 4 * 1024 * 1024;
/** Milliseconds between two looks at a queue that was full, for the platform has no event for it: at first, and while it does not move. */
const LOOK_MS = 50;
const LONGEST_LOOK_MS = 1_000;
/** Bytes that the platform needs for a message in its queue beside what is in it. */
const MESSAGE_COST = 256;

type Pause = (look: () => void, ms: number) => void;

/**
 * Consumption of a WebSocket's messages, held back while too much waits for the visitor: the target is stopped then, as
 * credit runs out. Where the platform does not tell what waits (workerd before November 2026), nothing is held.
 */
export class Held {
  readonly #queued: () => number;
  readonly #consumed: (bytes: number) => void;
  readonly #pause: Pause;
  readonly #most: () => number;
  #bytes = 0;
  #isLooking = false;
  #lookMs = LOOK_MS / 2;
  #before = 0;

  /** `most`: bytes that may wait for this visitor at present. */
  constructor(
    queued: () => number,
    consumed: (bytes: number) => void,
    pause: Pause = (look, ms) => void setTimeout(look, ms),
    most: () => number = () => MOST_QUEUED,
  ) {
    this.#queued = queued;
    this.#consumed = consumed;
    this.#pause = pause;
    this.#most = most;
  }

  /** That many bytes were sent to the visitor. */
  sent(bytes: number): void {
    this.#bytes += bytes;
    if (!this.#isLooking) this.#look();
  }

  /** The stream is over: there is no target to hold back. */
  stop(): void {
    this.#bytes = 0;
  }

  #look(): void {
    const queued = this.#bytes > 0 ? this.#queued() : 0;
    this.#isLooking = queued > this.#most();
    if (!this.#isLooking) return this.#release();
    this.#lookMs = queued < this.#before ? LOOK_MS : Math.min(LONGEST_LOOK_MS, this.#lookMs * 2);
    this.#before = queued;
    this.#pause(() => this.#look(), this.#lookMs);
  }

  #release(): void {
    const bytes = this.#bytes;
    this.#bytes = 0;
    this.#lookMs = LOOK_MS / 2;
    this.#before = 0;
    if (bytes > 0) this.#consumed(bytes);
  }
}

/** What waits in the platform for one visitor, with what its queue costs. */
export class SocketQueue {
  readonly #socket: object;
  /** Messages since the queue was empty last. */
  #messages = 0;

  constructor(socket: object) {
    this.#socket = socket;
  }

  /** One more message was handed to the platform. */
  sent(): void {
    this.#messages += 1;
  }

  get bytes(): number {
    const queued = queuedAt(this.#socket);
    if (queued === 0) this.#messages = 0;
    return queued + this.#messages * MESSAGE_COST;
  }
}

/** Bytes handed to the platform and not yet on their way; 0 where it does not tell. */
export function queuedAt(socket: object): number {
  return "bufferedAmount" in socket && typeof socket.bufferedAmount === "number" ? socket.bufferedAmount : 0;
}
