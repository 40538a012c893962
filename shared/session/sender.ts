import { FLAG_ACK, HEADER_BYTES, HEADROOM, TYPE, viewOf, writeHeader, writeU64 } from "../wire/frame.ts";
import {
  FRAME_CHARGE,
  INITIAL_WINDOW,
  MAX_SMALL_FRAMES,
  MIN_STREAM_WINDOW,
  STREAM_WINDOW,
  DEFAULT_DATA,
} from "../wire/limits.ts";
import type { Stream } from "./stream.ts";
import { SendQueue, type Priority, type Queued } from "./send-queue.ts";

// Chooses the stream that may send next. Streams take turns, one frame each; those with little to send go before bulk.

/** Most bytes of an urgent write, which goes first: a keystroke, a request head, a voice frame. */
const URGENT_BYTES = 2 * 1024;
/** Bytes below which a frame is not worth sending in the last of the window: wait until more of it is free. */
const WORTHWHILE_BYTES = 4 * 1024;
/** Frames of one stream that may be outstanding before small writes are gathered, however little window is left. */
const MIN_SMALL_FRAMES = 4;
/** Bytes of the frames into which small writes are gathered once too many frames are outstanding. */
const GATHERED_BYTES = 16 * 1024;

/**
 * Part of the window that streams with wide limits may have outstanding together, and the part of the rest of it that one may.
 */
const WIDE_TOTAL = 15 / 16;
const WIDE_EACH = 7 / 8;

export type SenderHost = {
  /** Bytes of the largest bulk frame that the lane takes now; 0: none. */
  maxFrame: (lane: number) => number;
  send: (frame: Uint8Array, lane: number) => void;
  to: () => { channel: number; slot: number };
  /** Returns the consumed offset to acknowledge on a frame of this stream, and counts it as reported; null: there is none. */
  acknowledge: (stream: Stream) => number | null;
  /** A frame of the stream was sent: it may be over, or take bytes again. */
  sent: (stream: Stream) => void;
};

/** Sends the frames of a session's streams, within the session's window and as the lanes take them. */
export class Sender {
  /** The session window that the far end grants, in bytes of charge. */
  window = INITIAL_WINDOW;
  /** Charge outstanding, over all streams. */
  outstanding = 0;
  /** Frames outstanding. */
  #frames = 0;
  readonly #host: SenderHost;
  readonly #queue = new SendQueue<Stream>();
  #sweepAt = MAX_SMALL_FRAMES;
  #pumping = false;

  constructor(host: SenderHost) {
    this.#host = host;
  }

  /** Queues a stream if it can send. */
  wake(stream: Stream): void {
    if (stream.over || !this.#sendable(stream)) return;
    this.#queue.add(stream, kindOf(stream));
    if (this.#queue.size >= this.#sweepAt) this.#sweep();
  }

  /** Notes that the far end has consumed frames of this charge. */
  released(charge: number, frames: number): void {
    this.outstanding -= charge;
    this.#frames -= frames;
  }

  /** Sends until no stream waits, no lane takes a frame, or the window is used up. */
  pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    const passed: Queued<Stream>[] = [];
    let full = false;
    try {
      for (let queued = this.#next(full); queued !== undefined; queued = this.#next(full)) {
        const { stream } = queued;
        if (this.#isGreedy(stream)) {
          passed.push(queued);
        } else if (this.#sendOne(stream, this.#maxFrame(stream.lane))) {
          this.wake(stream);
          this.#host.sent(stream);
        } else {
          passed.push(queued);
          full = true;
        }
      }
    } finally {
      // Streams that were passed over keep their turn.
      for (const place of passed.toReversed()) this.#queue.restore(place, kindOf(place.stream));
      this.#pumping = false;
    }
  }

  /** Takes the next stream whose lane takes a frame. `full`: the window is used up, and only free frames may be sent. */
  #next(full: boolean): Queued<Stream> | undefined {
    const queue = this.#queue;
    if (full) return queue.take("free", this.#isOpen);
    return queue.take("urgent", this.#isOpen) ?? queue.take("free", this.#isOpen) ?? queue.take("bulk", this.#isOpen);
  }

  readonly #isOpen = (lane: number): boolean => this.#maxFrame(lane) > 0;

  #maxFrame(lane: number): number {
    return this.#host.maxFrame(lane);
  }

  #sweep(): void {
    this.#queue.sweep();
    this.#sweepAt = Math.max(MAX_SMALL_FRAMES, 2 * this.#queue.size);
  }

  #sendable(stream: Stream): boolean {
    const { out } = stream;
    if (!out.ready) return false;
    const gathers = out.pendingBytes < GATHERED_BYTES && out.outstandingFrames >= this.#smallFrames;
    return !gathers || out.hasResends || out.finishing;
  }

  /**
   * Frames that a stream may have outstanding before its small writes are gathered. Every frame is charged: stalled streams
   * could otherwise use up the window with single bytes.
   */
  get #smallFrames(): number {
    const share = Math.min(this.window / 2 - this.#frames * FRAME_CHARGE, this.window - this.outstanding) / 4;
    return Math.min(MAX_SMALL_FRAMES, Math.max(MIN_SMALL_FRAMES, Math.floor(share / FRAME_CHARGE)));
  }

  /**
   * True when a stream with a wide limit, perhaps an old one, has as much outstanding as leaves window for others. A limit never
   * moves back; if its reader stopped, no other stream could send.
   */
  #isGreedy(stream: Stream): boolean {
    const { out } = stream;
    if (needsNoWindow(stream) || out.limit - out.consumed <= STREAM_WINDOW) return false;
    const others = this.outstanding - out.outstanding;
    const most = Math.max(
      (this.window * WIDE_TOTAL - others) * WIDE_EACH,
      Math.min(STREAM_WINDOW, (this.window - others) / 4),
    );
    return out.outstanding + WORTHWHILE_BYTES > Math.max(most, MIN_STREAM_WINDOW);
  }

  /** Sends one frame of a stream. Returns false when the session's window doesn't allow it. */
  #sendOne(stream: Stream, maxFrame: number): boolean {
    const { out } = stream;
    let frame = out.takeResend();
    if (frame === null && out.pendingBytes > 0) {
      const left = this.window - this.outstanding - FRAME_CHARGE;
      const fitting = this.outstanding === 0 ? Math.max(left, DEFAULT_DATA) : left;
      if (fitting < Math.min(out.pendingBytes, WORTHWHILE_BYTES)) return false;
      frame = out.take(Math.min(fitting, maxFrame));
      if (frame !== null) {
        this.outstanding += frame.end - frame.start + FRAME_CHARGE;
        this.#frames += 1;
      }
    }
    if (frame !== null) {
      this.#emit(stream, TYPE.DATA, frame.start, frame.chunk);
    } else if (out.finalSize !== null && !out.finSent) {
      out.finSent = true;
      this.#emit(stream, TYPE.FIN, out.finalSize, new Uint8Array(HEADROOM));
    }
    return true;
  }

  /** Writes header and acknowledgement into the chunk's headroom, so that no byte is copied, and sends it. */
  #emit(stream: Stream, type: number, offset: number, chunk: Uint8Array): void {
    const consumed = this.#host.acknowledge(stream);
    const frame = consumed === null ? chunk.subarray(HEADROOM - HEADER_BYTES) : chunk;
    if (consumed !== null) writeU64(viewOf(frame), HEADER_BYTES, consumed);
    const flags = consumed === null ? 0 : FLAG_ACK;
    const { channel, slot } = this.#host.to();
    writeHeader(frame, { type, flags, lane: stream.lane, channel, slot, stream: stream.id, offset });
    this.#host.send(frame, stream.lane);
  }
}

function kindOf(stream: Stream): Priority {
  if (needsNoWindow(stream)) return "free";
  return stream.out.pendingBytes <= URGENT_BYTES && stream.out.outstanding <= DEFAULT_DATA ? "urgent" : "bulk";
}

/** True when the next frame was charged when it was first sent, or is a FIN. */
function needsNoWindow({ out }: Stream): boolean {
  return out.hasResends || out.pendingBytes === 0;
}
