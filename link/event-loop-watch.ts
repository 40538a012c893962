import { BEAT_MS, EventLoopStall } from "../shared/session/event-loop-stall.ts";

/** A watch for stalls of this process's event loop, while UDP sockets are open. */
export class EventLoopWatch {
  #detector: EventLoopStall | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** Starts watching. */
  begin(): void {
    if (this.#timer !== undefined) return;
    const stall = new EventLoopStall({ now: () => performance.now(), afterTurn: (run) => void setImmediate(run) });
    this.#detector = stall;
    this.#timer = setInterval(stall.beat, BEAT_MS).unref();
  }

  /** Stops watching: no UDP socket is open. */
  end(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Tells whether a datagram may have waited in its socket for too long. Call it once for each datagram, when it is read. */
  isStale(): boolean {
    return this.#detector?.isStale() ?? false;
  }
}
