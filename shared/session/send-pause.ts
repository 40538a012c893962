// An end that sends bulk pauses at intervals until everything in flight has arrived. workerd polls its sockets only when its
// event queue is empty (KJ never polls before), and a lane that always has more to read keeps that queue full: beside eight
// streams, visitors and other lanes waited 100 to 200 ms for their turn (measured 2026-11-22).

import type { Path } from "./path.ts";

/** Least time between two pauses, in milliseconds and in round trips; the longer holds. A pause leaves one round trip unused. */
const EVERY_MS = 3;
const EVERY_ROUND_TRIPS = 4;
/** Bytes of a frame that is bulk. */
const BULK_FRAME = 4 * 1024;
/** Bytes in flight over all lanes from which on pauses begin: below, the far end empties its event queue by itself. */
const BULK_BYTES = 512 * 1024;
/**
 * Milliseconds of the longest round trip at which pauses are made: beyond, the path bounds bulk, and not the far end's only
 * thread.
 */
const FAR_MS = 2;
/** Milliseconds that a pause may take, and until the next one if it took them: a dark lane must not stop the others. */
export const SEND_PAUSE_MS = 50;
const REST_MS = 1_000;

/** The pauses of one end: it sends nothing on any lane until what is in flight on all of them has arrived. */
export class SendPause {
  /** True while no bulk may be sent. */
  isActive = false;
  /** When the last pause ended. */
  #endedAt = Number.NEGATIVE_INFINITY;
  readonly #paths: () => Iterable<Path>;

  /** `paths` returns those of all lanes that live now. */
  constructor(paths: () => Iterable<Path>) {
    this.#paths = paths;
  }

  /**
   * Call it after a frame of `bytes` was sent on any lane. Returns true when a pause begins: then send a mark on every lane.
   * `now` in milliseconds.
   */
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

  /** Call it after each echo. Returns true when all marks are back and the pause ends. `now` in milliseconds. */
  endIfArrived(now: number): boolean {
    if (!this.isActive) return false;
    for (const path of this.#paths()) if (!path.allEchoed) return false;
    this.isActive = false;
    this.#endedAt = now;
    return true;
  }

  /** Ends a pause that has taken too long. The next one begins REST_MS later at the earliest. */
  abort(now: number): void {
    this.isActive = false;
    this.#endedAt = now + REST_MS;
  }
}
