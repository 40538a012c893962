import { TYPE } from "../wire/frame.ts";
import { Batcher } from "./batcher.ts";

/** Timers by which gathered frames are sent. */
export type BatchTimers = {
  /** Calls `run` at the end of this turn of the event loop. */
  soon: (run: () => void) => void;
  /** Calls `run` after `ms` milliseconds. */
  later: (run: () => void, ms: number) => void;
};

/** Milliseconds that a frame that can wait is held, to share a message with later ones. */
const BATCH_WAIT_MS = 25;

/** Sends the frames of one session. Gathers small ones; datagrams apart from the rest, because a relay may drop them. */
export class Outlet {
  readonly #send: (frame: Uint8Array, lane: number) => void;
  readonly #frames: Batcher | undefined;
  readonly #datagrams: Batcher | undefined;

  /** Without `timers` each frame is sent at once, as a message of its own. */
  constructor(send: (frame: Uint8Array, lane: number) => void, timers: BatchTimers | undefined) {
    this.#send = send;
    if (timers === undefined) return;
    const host = {
      send,
      soon: timers.soon,
      later: (flush: () => void) => timers.later(flush, BATCH_WAIT_MS),
    };
    this.#frames = new Batcher(host);
    this.#datagrams = new Batcher(host);
  }

  send(frame: Uint8Array, lane: number, canWait = false): void {
    const gatherer = frame[0] === TYPE.DGRAM ? this.#datagrams : this.#frames;
    if (gatherer === undefined) this.#send(frame, lane);
    else gatherer.send(frame, lane, canWait);
  }

  /** Drops frames that are not sent yet. */
  drop(): void {
    this.#frames?.drop();
    this.#datagrams?.drop();
  }
}
