// Now and then an end that sends bulk stands still until all of it has arrived. workerd asks the kernel who else wants to be
// read only when it has nothing left to do (KJ polls when its queue of events is empty, and never before), and a lane that
// always has more to read gives it more to do: beside eight streams visitors and other lanes waited 100 to 200 ms for
// their turn (measured 2026-11-22).

import type { Path } from "./path.ts";

/** Milliseconds between two lulls, and round trips, whichever is longer: what a lull leaves unused is one round trip. */
const EVERY_MS = 3;
const EVERY_ROUND_TRIPS = 4;
/** Bytes of a frame that is bulk. */
const BULK_FRAME = 4 * 1024;
/** Bytes on their way over all lanes, under which the far end comes to rest by itself. */
const BULK_BYTES = 512 * 1024;
/** Milliseconds of a round trip from which on it is the path that bounds bulk, not the far end's only thread. */
const FAR_MS = 2;
/** Milliseconds a lull may take, and until the next one if it took them: a lane that has gone dark must not stop the others. */
export const SEND_PAUSE_MS = 50;
const REST_MS = 1_000;

export class SendPause {
  /** True while no bulk is sent. */
  isActive = false;
  /** When the last one was over. */
  #endedAt = Number.NEGATIVE_INFINITY;
  readonly #paths: () => Iterable<Path>;

  /** `paths`: of all lanes that live now. */
  constructor(paths: () => Iterable<Path>) {
    this.#paths = paths;
  }

  /** To be asked after a frame of so many bytes was sent over one of the lanes: true when a lull begins, and each of them must be marked. `now` in milliseconds. */
  startIfDue(bytes: number, now: number): boolean {
    if (bytes < BULK_FRAME || this.isActive || now - this.#endedAt < EVERY_MS) return false;
    let backlog = 0;
    let roundTrip = Number.POSITIVE_INFINITY;
    for (const path of this.#paths()) {
      backlog += path.backlog;
      roundTrip = Math.min(roundTrip, path.roundTrip);
    }
    this.isActive =
      backlog >= BULK_BYTES && roundTrip <= FAR_MS && now - this.#endedAt >= EVERY_ROUND_TRIPS * roundTrip;
    return this.isActive;
  }

  /** To be asked after each echo: true when all marks are back, and bulk goes on. */
  endIfArrived(now: number): boolean {
    if (!this.isActive) return false;
    for (const path of this.#paths()) if (!path.allEchoed) return false;
    this.isActive = false;
    this.#endedAt = now;
    return true;
  }

  /** It has taken too long. */
  abort(now: number): void {
    this.isActive = false;
    this.#endedAt = now + REST_MS;
  }
}
