import { BEAT_MS, Standstill } from "../shared/session/standstill.ts";

/** The standstills of this process, watched while somebody has UDP sockets open. */
export class EventLoopWatch {
  #detector: Standstill | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** Watches from now on. */
  begin(): void {
    if (this.#timer !== undefined) return;
    const standstill = new Standstill({ now: () => performance.now(), afterTurn: (run) => void setImmediate(run) });
    this.#detector = standstill;
    this.#timer = setInterval(standstill.beat, BEAT_MS).unref();
  }

  /** No socket is open any more. */
  end(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** To be asked once for each datagram, when a socket gives it: whether it may have waited there for too long. */
  isStale(): boolean {
    return this.#detector?.isStale() ?? false;
  }
}
