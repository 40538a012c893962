import { batch, batchedBytes } from "../wire/batch.ts";
import { HEADER_BYTES, TYPE, viewOf } from "../wire/frame.ts";

/** Bytes of the largest frame that is gathered: copying a larger one costs more than a message of its own. */
const SMALL_BYTES = 4 * 1024;
/** Most bytes of one BATCH. */
const MAX_BYTES = 32 * 1024;

const BATCHED: ReadonlySet<number> = new Set([
  TYPE.DIAL,
  TYPE.ACCEPT,
  TYPE.DATA,
  TYPE.FIN,
  TYPE.RESET,
  TYPE.CREDIT,
  TYPE.DGRAM,
]);

export type BatcherHost = {
  send: (frame: Uint8Array, lane: number) => void;
  /** Calls `flush` at the end of this turn of the event loop. */
  soon: (flush: () => void) => void;
  /** Calls `flush` within some tens of milliseconds. */
  later: (flush: () => void) => void;
};

/**
 * Gathers the small frames that one session sends in one turn of the event loop into one BATCH, in their order: a message costs
 * either end, and above all a relay, far more than its bytes. A frame that can wait is held for later ones.
 */
export class Batcher {
  readonly #host: BatcherHost;
  #frames: Uint8Array[] = [];
  #bytes = 0;
  #lane = 0;
  #soon = false;
  #later = false;
  readonly #flush = (): void => {
    this.#soon = false;
    this.flush();
  };
  readonly #flushLate = (): void => {
    this.#later = false;
    this.flush();
  };

  constructor(host: BatcherHost) {
    this.#host = host;
  }

  send(frame: Uint8Array, lane: number, canWait = false): void {
    const bytes = batchedBytes(frame);
    const fits = bytes <= SMALL_BYTES && BATCHED.has(frame[0] ?? 0);
    if (!fits || lane !== this.#lane || this.#bytes + bytes > MAX_BYTES || !this.#sameAddress(frame)) this.flush();
    if (!fits) return this.#host.send(frame, lane);
    this.#frames.push(frame);
    this.#bytes += bytes;
    this.#lane = lane;
    if (canWait) {
      // A flush that is due soon sends it along; else start the timer, unless it runs.
      if (this.#later || this.#soon) return;
      this.#later = true;
      this.#host.later(this.#flushLate);
    } else {
      if (!this.#soon) this.#host.soon(this.#flush);
      this.#soon = true;
    }
  }

  /** Sends the gathered frames. */
  flush(): void {
    const [first] = this.#frames;
    if (first === undefined) return;
    const frames = this.#frames;
    this.#frames = [];
    this.#bytes = 0;
    this.#host.send(frames.length === 1 ? first : batch(frames), this.#lane);
  }

  /** Drops the gathered frames, because the path is lost: resuming sends them again. */
  drop(): void {
    this.#frames = [];
    this.#bytes = 0;
  }

  /** Whether a frame has the channel and slot of those gathered: a session may have moved to others. */
  #sameAddress(frame: Uint8Array): boolean {
    const [first] = this.#frames;
    if (first === undefined) return true;
    const a = viewOf(first);
    const b = viewOf(frame);
    return HEADER_BYTES <= frame.byteLength && a.getUint32(4) === b.getUint32(4) && a.getUint32(8) === b.getUint32(8);
  }
}
