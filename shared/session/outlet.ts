import { TYPE } from "../wire/frame.ts";
import { Batcher } from "./batcher.ts";

/** When gathered frames leave. */
export type BatchTimers = {
  /** Runs it at the end of this turn of the event loop. */
  soon: (run: () => void) => void;
  /** Runs it after so many milliseconds. */
  later: (run: () => void, ms: number) => void;
};

/** Milliseconds that a patient frame waits for others to go with. */
const BATCH_WAIT_MS = 25;

/** Where the frames of one session leave. Small ones are gathered; datagrams apart from the rest, since a relay may drop them. */
export class Outlet {
  readonly #send: (frame: Uint8Array, lane: number) => void;
  readonly #frames: Batcher | undefined;
  readonly #datagrams: Batcher | undefined;

  /** Without `moments` each frame leaves at once, as a message of its own. */
  constructor(send: (frame: Uint8Array, lane: number) => void, moments: BatchTimers | undefined) {
    this.#send = send;
    if (moments === undefined) return;
    const host = {
      send,
      soon: moments.soon,
      later: (flush: () => void) => moments.later(flush, BATCH_WAIT_MS),
    };
    this.#frames = new Batcher(host);
    this.#datagrams = new Batcher(host);
  }

  send(frame: Uint8Array, lane: number, canWait = false): void {
    const gatherer = frame[0] === TYPE.DGRAM ? this.#datagrams : this.#frames;
    if (gatherer === undefined) this.#send(frame, lane);
    else gatherer.send(frame, lane, canWait);
  }

  /** Forgets what has not left yet. */
  drop(): void {
    this.#frames?.drop();
    this.#datagrams?.drop();
  }
}
