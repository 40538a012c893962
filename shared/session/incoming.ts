import { SessionError } from "../wire/errors.ts";
import { FRAME_CHARGE, MAX_DATA, STREAM_WINDOW } from "../wire/limits.ts";
import { StreamWindow } from "./stream-window.ts";

// The receiving half of a stream: what came, what the application has taken, and how far we let the far end go.

/** Charge after which a wide window is reported on, too: a report costs a relay as much as a frame does. */
const REPORT_CHARGE = 1024 * 1024;

export class Incoming {
  /** Next offset wanted; final size + 1 once the FIN has come. */
  received = 0;
  /** Offset up to which the application has taken the bytes. */
  consumed = 0;
  /** When it took some last, in monotonic milliseconds. */
  consumedAt = 0;
  /** Absolute limit granted. */
  limit: number;
  /** It has been quiet, and nothing of it is held here: what was promised beyond the usual counts when it speaks again. */
  isIdle = false;
  /** Since when the reader has been more than a second behind what came, in monotonic milliseconds; null: it is not. */
  stalledAt: number | null = null;
  /** Offset up to which bytes had come at the last `look`. */
  #receivedAtCheck = 0;
  /** Charge of frames received and not yet reported consumed. */
  outstanding = 0;
  finalSize: number | null = null;
  #reported = 0;
  /** Ends of the frames not yet consumed, oldest first. */
  #frameEnds: number[] = [];
  /** Charge consumed and not yet reported. */
  #unreportedCharge = 0;
  #asked = false;
  readonly #window = new StreamWindow();

  constructor(limit: number) {
    this.limit = limit;
  }

  /** Bytes that this stream would like to have granted. */
  get window(): number {
    return this.#window.bytes;
  }

  /**
   * Takes a DATA frame; returns what of it is new, or null for nothing new, or "gap" when a frame before it is missing and must be asked for.
   * Throws SessionError on bytes beyond the limit or a known end.
   */
  take(offset: number, bytes: Uint8Array, now: number): Uint8Array | "gap" | null {
    const end = offset + bytes.byteLength;
    if (bytes.byteLength > MAX_DATA) throw new SessionError("protocol", `${bytes.byteLength} bytes in one DATA frame`);
    if (this.finalSize !== null && end > this.finalSize)
      throw new SessionError("protocol", "bytes beyond the final size");
    if (end > this.limit) throw new SessionError("flow-control", `bytes up to ${end}, ${this.limit} granted`);
    if (offset > this.received) return this.#gap();
    if (end <= this.received) return null;
    const fresh = bytes.subarray(this.received - offset);
    this.#window.received(this.received, end, now);
    this.received = end;
    this.isIdle = false;
    this.#frameEnds.push(end);
    this.outstanding += fresh.byteLength + FRAME_CHARGE;
    this.#asked = false;
    return fresh;
  }

  /** Takes a FIN; true when it completes the stream, "gap" when bytes before it are missing, false when it is a repeat. */
  takeFin(finalSize: number): boolean | "gap" {
    if (this.finalSize !== null && this.finalSize !== finalSize)
      throw new SessionError("protocol", "two different final sizes");
    if (finalSize < this.received && this.finalSize === null)
      throw new SessionError("protocol", "final size below what was sent");
    if (finalSize > this.limit) throw new SessionError("flow-control", "final size beyond the limit");
    if (this.finalSize !== null && this.received > finalSize) return false;
    if (finalSize > this.received) return this.#gap() ?? false;
    this.finalSize = finalSize;
    this.received = finalSize + 1;
    return true;
  }

  /** The application has taken `bytes` more. */
  consume(bytes: number, now: number): void {
    const received = this.#receivedBytes;
    if (this.consumed + bytes > received)
      throw new RangeError(`consumed ${this.consumed + bytes} of ${received} received`);
    const before = this.consumed;
    this.consumed += bytes;
    this.consumedAt = now;
    if (this.consumed >= this.#receivedAtCheck) this.stalledAt = null;
    let frames = 0;
    while (this.#frameEnds[frames] !== undefined && (this.#frameEnds[frames] ?? 0) <= this.consumed) frames += 1;
    if (frames > 0) this.#frameEnds.splice(0, frames);
    this.#unreportedCharge += this.consumed - before + frames * FRAME_CHARGE;
    this.#window.consumed(this.consumed, received, now);
  }

  /** What to tell the far end: bytes consumed, and one more when the FIN is consumed too. */
  get toReport(): number {
    return this.done ? this.consumed + 1 : this.consumed;
  }

  /** True when FIN and every byte before it are consumed. */
  get done(): boolean {
    return this.finalSize !== null && this.received > this.finalSize && this.consumed === this.finalSize;
  }

  get hasUnreported(): boolean {
    return this.toReport > this.#reported;
  }

  /** True when waiting longer to report would hold the far end back. */
  get isReportDue(): boolean {
    return this.hasUnreported && (this.done || this.#unreportedCharge >= Math.min(REPORT_CHARGE, this.window / 4));
  }

  /** Notes that `toReport` is on its way; returns the charge the far end will release. */
  report(): number {
    const released = this.#unreportedCharge;
    this.#reported = this.toReport;
    this.#unreportedCharge = 0;
    this.outstanding -= released;
    return released;
  }

  /** Grants up to `bytes` beyond what is consumed; returns true when the limit moved. */
  grant(bytes: number, now: number): boolean {
    const limit = this.consumed + bytes;
    if (limit <= this.limit || this.finalSize !== null) return false;
    this.#window.limitRaised(this.limit, now);
    this.limit = limit;
    return true;
  }

  /** Promised and not yet consumed: what the sender may still make us hold. */
  get promised(): number {
    if (this.finalSize !== null) return this.finalSize - this.consumed;
    const promised = this.limit - this.consumed;
    return this.isIdle ? Math.min(promised, STREAM_WINDOW) : promised;
  }

  /** After a quiet while: the window falls back to where it began. */
  setIdle(): void {
    this.#window.reset();
    this.isIdle = this.outstanding === 0;
  }

  /** Once a second: a reader that has not taken what had come by the last time is stalled. True when that has changed. */
  checkStalled(now: number): boolean {
    const before = this.stalledAt;
    this.stalledAt = this.consumed < this.#receivedAtCheck ? (before ?? now) : null;
    this.#receivedAtCheck = this.#receivedBytes;
    return this.stalledAt !== before;
  }

  /** Offset up to which bytes have come: without the FIN. */
  get #receivedBytes(): number {
    return this.finalSize !== null && this.received > this.finalSize ? this.finalSize : this.received;
  }

  #gap(): "gap" | null {
    if (this.#asked) return null;
    this.#asked = true;
    return "gap";
  }
}
