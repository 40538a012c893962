import { SessionError } from "../wire/errors.ts";
import { HEADROOM } from "../wire/frame.ts";
import { FRAME_CHARGE, MAX_ASKED, MAX_DATA, MIN_ASKED, DEFAULT_DATA } from "../wire/limits.ts";

// The sending half of a stream: bytes that wait, frames that are sent and not yet consumed, and the far end's limit.
// The frames kept for resending are exactly those whose charge is outstanding: there is no second buffer.

/** Bytes below which chunks are copied into one frame: a small frame costs more than the copy. */
const CHEAP_BYTES = DEFAULT_DATA;

/** A frame that is sent and not consumed: HEADROOM and its bytes, and the offsets they cover. */
export type SentFrame = {
  chunk: Uint8Array;
  start: number;
  end: number;
  /** Sent more than once. */ isResent?: boolean;
};

export class Outgoing {
  /** Offset of the next byte never sent before. */
  sent = 0;
  /** Absolute offset up to which the far end lets this end send. */
  limit: number;
  /** Offset up to which the far end has consumed; final size + 1 once it has consumed the FIN. */
  consumed = 0;
  /** Charge sent and not consumed. */
  outstanding = 0;
  /** Bytes accepted from the application and not yet sent. */
  pendingBytes = 0;
  finSent = false;
  /** The FIN will be sent again; the first one may have arrived all the same. */
  #finRepeats = false;
  /** Takes back chunks that are consumed and may be overwritten at once. */
  recycle: ((chunk: Uint8Array) => void) | null = null;
  #finishing = false;
  #pending: Uint8Array[] = [];
  #sentFrames: SentFrame[] = [];
  /** Bytes that the far end has asked for again (ASK), in all. */
  #askedBytes = 0;
  /** Index into #sentFrames of the next frame to send again; its length when there is none. */
  #nextResend = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** Queues a chunk: HEADROOM, then at most MAX_DATA bytes. Throws RangeError for any other size, and after `finish`. */
  push(chunk: Uint8Array): void {
    const bytes = chunk.byteLength - HEADROOM;
    if (bytes <= 0 || bytes > MAX_DATA) throw new RangeError(`a chunk must hold 1 to ${MAX_DATA} bytes, not ${bytes}`);
    if (this.#finishing) throw new RangeError("bytes written after finish()");
    this.#pending.push(chunk);
    this.pendingBytes += bytes;
  }

  finish(): void {
    this.#finishing = true;
  }

  get finishing(): boolean {
    return this.#finishing;
  }

  /** Frames sent and not consumed. */
  get outstandingFrames(): number {
    return this.#sentFrames.length;
  }

  /** Chunks that wait to be sent. A small one costs far more memory than its bytes. */
  get pendingChunks(): number {
    return this.#pending.length;
  }

  /** True when frames wait to be sent again. */
  get hasResends(): boolean {
    return this.#nextResend < this.#sentFrames.length;
  }

  /** True when the stream could send, if the session's window allows it. */
  get ready(): boolean {
    if (this.hasResends) return true;
    if (this.#pending.length > 0) return this.sent < this.limit;
    return this.#finishing && !this.finSent;
  }

  /** The final size once FIN may be sent, else null. */
  get finalSize(): number | null {
    return this.#finishing && this.#pending.length === 0 ? this.sent : null;
  }

  /** True when the far end has consumed everything and the FIN. */
  get done(): boolean {
    return this.finSent && this.consumed === this.sent + 1;
  }

  /** Takes the next frame to send again; null when there is none. Its charge is outstanding already. */
  takeResend(): SentFrame | null {
    const frame = this.#sentFrames[this.#nextResend];
    if (frame === undefined) return null;
    this.#nextResend += 1;
    return frame;
  }

  /**
   * Makes the next new frame, of at most `most` bytes, and keeps it for resending. Null when no byte waits or there is no
   * credit.
   */
  take(most: number): SentFrame | null {
    const head = this.#pending[0];
    if (head === undefined) return null;
    const all = Math.min(this.pendingBytes, this.limit - this.sent, most, MAX_DATA);
    // A chunk that is large enough to be cheap is sent as it is; only smaller ones are worth a copy to be one frame.
    const size = head.byteLength - HEADROOM < CHEAP_BYTES ? all : Math.min(all, head.byteLength - HEADROOM);
    if (size <= 0) return null;
    const chunk = this.#gather(head, size);
    const frame = { chunk, start: this.sent, end: this.sent + size };
    this.sent += size;
    this.pendingBytes -= size;
    this.outstanding += size + FRAME_CHARGE;
    this.#sentFrames.push(frame);
    this.#nextResend = this.#sentFrames.length;
    return frame;
  }

  /**
   * Takes the far end's consumed offset. Returns the charge released. Throws SessionError(protocol) for an offset that was
   * never sent.
   */
  acknowledge(consumed: number): number {
    const most = this.finSent || this.#finRepeats ? this.sent + 1 : this.sent;
    if (consumed > most) throw new SessionError("protocol", `consumed is ${consumed}, and ${most} bytes were sent`);
    if (consumed <= this.consumed) return 0;
    this.consumed = consumed;
    if (consumed > this.sent) this.finSent = true;
    let released = 0;
    let count = 0;
    for (const frame of this.#sentFrames) {
      if (frame.end > consumed) break;
      released += frame.end - frame.start + FRAME_CHARGE;
      count += 1;
      // If it was sent twice, the second copy may still be in the socket's queue.
      if (frame.isResent !== true) this.recycle?.(frame.chunk);
    }
    if (count > 0) this.#sentFrames.splice(0, count);
    this.#nextResend = Math.max(0, this.#nextResend - count);
    this.outstanding -= released;
    return released;
  }

  /** Takes a new limit; a lower one changes nothing. */
  raiseLimit(limit: number): void {
    if (limit > this.limit) this.limit = limit;
  }

  /**
   * Takes ASK: the far end has a gap. Throws SessionError(protocol) for an impossible offset, or when it asks for more than
   * lanes could lose.
   */
  ask(received: number): void {
    this.rewind(received);
    this.#askedBytes += Math.max(0, this.sent - received);
    if (this.#askedBytes > MAX_ASKED * this.sent + MIN_ASKED)
      throw new SessionError("protocol", `ASK for ${this.#askedBytes} bytes in all, of ${this.sent} sent`);
  }

  /**
   * Marks everything from offset `received` on for resending, with the FIN. Throws SessionError(protocol) for an impossible
   * offset.
   */
  rewind(received: number): void {
    const most = this.finSent || this.#finRepeats ? this.sent + 1 : this.sent;
    if (received > most || received < this.consumed)
      throw new SessionError(
        "protocol",
        `received is ${received}, with ${most} bytes sent and ${this.consumed} consumed`,
      );
    const index = this.#sentFrames.findIndex((kept) => kept.end > received);
    this.#nextResend = index === -1 ? this.#sentFrames.length : index;
    for (const kept of this.#sentFrames.slice(this.#nextResend)) kept.isResent = true;
    if (!this.finSent || received > this.sent) return;
    this.finSent = false;
    this.#finRepeats = true;
  }

  /** Takes back the chunks that are not sent yet, so that the writer of a stream about to be reset can free them at once. */
  takePending(): Uint8Array[] {
    const pending = this.#pending;
    this.#pending = [];
    this.pendingBytes = 0;
    return pending;
  }

  /** Drops all bytes. Returns the charge that was outstanding. */
  drop(): number {
    const { outstanding } = this;
    this.#pending = [];
    this.#sentFrames = [];
    this.#nextResend = 0;
    this.pendingBytes = 0;
    this.outstanding = 0;
    return outstanding;
  }

  #gather(head: Uint8Array, size: number): Uint8Array {
    if (head.byteLength - HEADROOM === size) {
      this.#pending.shift();
      return head;
    }
    const out = new Uint8Array(HEADROOM + size);
    let at = HEADROOM;
    while (at < out.byteLength) {
      const chunk = this.#pending[0];
      if (chunk === undefined) break;
      const wanted = out.byteLength - at;
      const bytes = chunk.byteLength - HEADROOM;
      out.set(chunk.subarray(HEADROOM, HEADROOM + wanted), at);
      if (bytes <= wanted) {
        this.#pending.shift();
        at += bytes;
      } else {
        // The rest stays where it is in memory; the bytes before it become its headroom.
        this.#pending[0] = chunk.subarray(wanted);
        at += wanted;
      }
    }
    return out;
  }
}
