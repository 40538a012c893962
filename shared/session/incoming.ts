import { SessionError } from "../wire/errors.ts";
import { FRAME_CHARGE, MAX_DATA, STREAM_WINDOW } from "../wire/limits.ts";
import { StreamWindow } from "./stream-window.ts";

// The receiving half of a stream: what came, what the application has consumed, and the limit granted to the far end.

/**
 * Unreported charge after which a report is due, however wide the window. Reports are few, because each costs a relay as much
 * as a frame.
 */
const REPORT_CHARGE = 1024 * 1024;

export class Incoming {
  /** Next offset wanted; final size + 1 once the FIN has come. */
  received = 0;
  /** Offset up to which the application has taken the bytes. */
  consumed = 0;
  /** When the application last took bytes, in monotonic milliseconds. */
  consumedAt = 0;
  /** Absolute offset up to which the far end may send. */
  limit: number;
  /**
   * True when the stream has been quiet and nothing of it is outstanding: a limit beyond the default then doesn't count as
   * promised.
   */
  isIdle = false;
  /** Since when the stream has been stalled, in monotonic milliseconds; null: it is not. */
  stalledAt: number | null = null;
  /** Offset up to which bytes had come at the last `checkStalled`. */
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

  /** Bytes that the limit should be ahead of what is consumed. */
  get window(): number {
    return this.#window.bytes;
  }

  /**
   * Takes a DATA frame. Returns its new bytes; null if there are none; "gap" when a frame before it is missing and must be asked
   * for. Throws SessionError for bytes beyond the limit or beyond the final size.
   */
  take(offset: number, bytes: Uint8Array, now: number): Uint8Array | "gap" | null {
    const end = offset + bytes.byteLength;
    if (bytes.byteLength > MAX_DATA) throw new SessionError("protocol", `${bytes.byteLength} bytes in one DATA frame`);
    if (this.finalSize !== null && end > this.finalSize)
      throw new SessionError("protocol", "bytes beyond the final size");
    if (end > this.limit) throw new SessionError("flow-control", `bytes up to ${end}, beyond the limit ${this.limit}`);
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

  /**
   * Takes a FIN. Returns true when it completes the stream, "gap" when bytes before it are missing, false when it is a repeat.
   * Throws SessionError for an impossible final size.
   */
  takeFin(finalSize: number): boolean | "gap" {
    if (this.finalSize !== null && this.finalSize !== finalSize)
      throw new SessionError("protocol", "two different final sizes");
    if (finalSize < this.received && this.finalSize === null)
      throw new SessionError("protocol", "the final size is below the bytes received");
    if (finalSize > this.limit) throw new SessionError("flow-control", "the final size is beyond the limit");
    if (this.finalSize !== null && this.received > finalSize) return false;
    if (finalSize > this.received) return this.#gap() ?? false;
    this.finalSize = finalSize;
    this.received = finalSize + 1;
    return true;
  }

  /** Notes that the application has taken `bytes` more. Throws RangeError for more than has come. */
  consume(bytes: number, now: number): void {
    const received = this.#receivedBytes;
    if (this.consumed + bytes > received)
      throw new RangeError(`consumed would be ${this.consumed + bytes}, and ${received} bytes have come`);
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

  /** The consumed offset to report: one more than the final size once the FIN is consumed, too. */
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

  /** True when a report must not wait any longer, or the far end runs out of credit. */
  get isReportDue(): boolean {
    return this.hasUnreported && (this.done || this.#unreportedCharge >= Math.min(REPORT_CHARGE, this.window / 4));
  }

  /** Notes that `toReport` is being sent. Returns the charge that this releases. */
  report(): number {
    const released = this.#unreportedCharge;
    this.#reported = this.toReport;
    this.#unreportedCharge = 0;
    this.outstanding -= released;
    return released;
  }

  /** Raises the limit to `bytes` beyond what is consumed. Returns true when it moved. */
  grant(bytes: number, now: number): boolean {
    const limit = this.consumed + bytes;
    if (limit <= this.limit || this.finalSize !== null) return false;
    this.#window.limitRaised(this.limit, now);
    this.limit = limit;
    return true;
  }

  /** Bytes between what is consumed and the limit: that many may become unread here. */
  get promised(): number {
    if (this.finalSize !== null) return this.finalSize - this.consumed;
    const promised = this.limit - this.consumed;
    return this.isIdle ? Math.min(promised, STREAM_WINDOW) : promised;
  }

  /** Sets the window back to its first size, after a quiet time. */
  setIdle(): void {
    this.#window.reset();
    this.isIdle = this.outstanding === 0;
  }

  /**
   * Call it once a second: a reader that hasn't taken what had come by the last call is stalled. Returns true when that has
   * changed.
   */
  checkStalled(now: number): boolean {
    const before = this.stalledAt;
    this.stalledAt = this.consumed < this.#receivedAtCheck ? (before ?? now) : null;
    this.#receivedAtCheck = this.#receivedBytes;
    return this.stalledAt !== before;
  }

  /** Offset up to which bytes have come, not counting the FIN. */
  get #receivedBytes(): number {
    return this.finalSize !== null && this.received > this.finalSize ? this.finalSize : this.received;
  }

  #gap(): "gap" | null {
    if (this.#asked) return null;
    this.#asked = true;
    return "gap";
  }
}
