import { TYPE } from "../wire/frame.ts";
import { Gatherer } from "./gather.ts";

/** When gathered frames leave. */
export type Moments = {
  /** Runs it at the end of this turn of the event loop. */
  soon: (run: () => void) => void;
  /** Runs it after so many milliseconds. */
  later: (run: () => void, ms: number) => void;
};

/** Milliseconds that a patient frame waits for others to go with. */
const PATIENCE_MS = 25;

/** Where the frames of one session leave. Small ones are gathered; datagrams apart from the rest, since a relay may drop them. */
export class Outlet {
  readonly #send: (frame: Uint8Array, lane: number) => void;
  readonly #frames: Gatherer | undefined;
  readonly #datagrams: Gatherer | undefined;

  /** Without `moments` each frame leaves at once, as a message of its own. */
  constructor(send: (frame: Uint8Array, lane: number) => void, moments: Moments | undefined) {
    this.#send = send;
    if (moments === undefined) return;
    const host = {
      send,
      soon: moments.soon,
      later: (flush: () => void) => moments.later(flush, PATIENCE_MS),
    };
    this.#frames = new Gatherer(host);
    this.#datagrams = new Gatherer(host);
  }

  send(frame: Uint8Array, lane: number, patient = false): void {
    const gatherer = frame[0] === TYPE.DGRAM ? this.#datagrams : this.#frames;
    if (gatherer === undefined) this.#send(frame, lane);
    else gatherer.send(frame, lane, patient);
  }

  /** Forgets what has not left yet. */
  drop(): void {
    this.#frames?.drop();
    this.#datagrams?.drop();
  }
}
