import { FLAG_ACK, HEADER_BYTES, HEADROOM, TYPE, viewOf, writeHeader, writeU64 } from "./frame.ts";
import { FRAME_CHARGE, INITIAL_WINDOW, MAX_DATA, MAX_SMALL_FRAMES } from "./limits.ts";
import type { Stream } from "./stream.ts";

// Who may send next. Streams take turns, one frame each; streams with little to say go before bulk.

/** A write this small is somebody typing, a request head, a voice frame: it goes first. */
const URGENT_BYTES = 2 * 1024;
/** Under this, a frame is not worth the last of the window: wait for more of it. */
const WORTHWHILE_BYTES = 4 * 1024;
/** What small writes are gathered into once too many frames are outstanding. */
const GATHERED_BYTES = 16 * 1024;

export type SenderHost = {
  room: (lane: number) => boolean;
  send: (frame: Uint8Array, lane: number) => void;
  to: () => { channel: number; slot: number };
  /** What to acknowledge on a frame of this stream, or null for nothing. Counts as told. */
  acknowledge: (stream: Stream) => number | null;
  /** FIN went out, or room came: the stream may be over, or want feeding. */
  sent: (stream: Stream) => void;
};

export class Sender {
  /** Charge the far end lets us have outstanding. */
  window = INITIAL_WINDOW;
  outstanding = 0;
  readonly #host: SenderHost;
  #urgent: Stream[] = [];
  #bulk: Stream[] = [];
  readonly #queued = new Set<Stream>();
  #pumping = false;

  constructor(host: SenderHost) {
    this.#host = host;
  }

  /** Queues a stream that has something to send. */
  wake(stream: Stream): void {
    if (this.#queued.has(stream) || stream.state === "ended" || !this.#sendable(stream)) return;
    this.#queued.add(stream);
    const urgent = stream.out.pendingBytes <= URGENT_BYTES && stream.out.charge <= MAX_DATA;
    (urgent ? this.#urgent : this.#bulk).push(stream);
  }

  /** The far end has consumed frames worth `charge`. */
  released(charge: number): void {
    this.outstanding -= charge;
  }

  /** Sends until nothing waits, or no lane has room, or the window is used up. */
  pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    const blocked: Stream[] = [];
    try {
      for (;;) {
        const stream = this.#urgent.shift() ?? this.#bulk.shift();
        if (stream === undefined) break;
        if (stream.state === "ended") {
          this.#queued.delete(stream);
        } else if (!this.#host.room(stream.lane)) {
          blocked.push(stream);
        } else if (this.#sendOne(stream)) {
          this.#queued.delete(stream);
          this.wake(stream);
          this.#host.sent(stream);
        } else {
          blocked.push(stream);
          break;
        }
      }
    } finally {
      this.#bulk.unshift(...blocked);
      this.#pumping = false;
    }
  }

  #sendable(stream: Stream): boolean {
    const { out } = stream;
    if (!out.ready) return false;
    const gathers = out.outstanding >= MAX_SMALL_FRAMES && out.pendingBytes < GATHERED_BYTES;
    return !gathers || out.hasAgain || out.finishing;
  }

  /** Sends one frame of a stream; false when the session's window has no room for it. */
  #sendOne(stream: Stream): boolean {
    const { out } = stream;
    let kept = out.takeAgain();
    if (kept === null && out.pendingBytes > 0) {
      const allowance = this.outstanding === 0 ? MAX_DATA : this.window - this.outstanding - FRAME_CHARGE;
      if (allowance < Math.min(out.pendingBytes, WORTHWHILE_BYTES)) return false;
      kept = out.take(allowance);
      if (kept !== null) this.outstanding += kept.end - kept.start + FRAME_CHARGE;
    }
    if (kept !== null) {
      this.#emit(stream, TYPE.DATA, kept.start, kept.chunk);
    } else if (out.finalSize !== null && !out.finSent) {
      out.finSent = true;
      this.#emit(stream, TYPE.FIN, out.finalSize, new Uint8Array(HEADROOM));
    }
    return true;
  }

  /** Header and acknowledgement go into the chunk's headroom: nothing is copied. */
  #emit(stream: Stream, type: number, offset: number, chunk: Uint8Array): void {
    const consumed = this.#host.acknowledge(stream);
    const frame = consumed === null ? chunk.subarray(HEADROOM - HEADER_BYTES) : chunk;
    if (consumed !== null) writeU64(viewOf(frame), HEADER_BYTES, consumed);
    const flags = consumed === null ? 0 : FLAG_ACK;
    writeHeader(frame, { type, flags, lane: stream.lane, ...this.#host.to(), stream: stream.id, offset });
    this.#host.send(frame, stream.lane);
  }
}
