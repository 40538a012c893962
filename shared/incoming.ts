import { SessionError } from "./errors.ts";
import { FRAME_CHARGE, MAX_DATA, MAX_STREAM_WINDOW, STREAM_WINDOW } from "./limits.ts";

// The receiving half of a stream: what came, what the application has taken, and how far we let the far end go.

/** Charge after which a wide window is reported on, too: a report costs a relay as much as a frame does. */
const REPORT_CHARGE = 1024 * 1024;
/** Former limits remembered: as many as may be granted in one round trip. */
const MAX_PASSED = 16;

export class Incoming {
  /** Next offset wanted; final size + 1 once the FIN has come. */
  received = 0;
  /** Offset up to which the application has taken the bytes. */
  consumed = 0;
  /** Absolute limit granted. */
  limit: number;
  /** What this stream would like to have granted; grows when it alone holds the sender back. */
  window = STREAM_WINDOW;
  /** Charge of frames received and not yet reported consumed. */
  held = 0;
  finalSize: number | null = null;
  #reported = 0;
  /** Ends of the frames not yet consumed, oldest first. */
  #ends: number[] = [];
  /** Charge consumed and not yet reported. */
  #unreported = 0;
  #asked = false;
  /** Limits granted before the present one, latest last. */
  #passed: number[] = [];
  /** What was consumed when the window last grew. */
  #grownAt = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  /**
   * Takes a DATA frame; returns what of it is new, or null for nothing new, or "gap" when a frame before it is missing and must be asked for.
   * Throws SessionError on bytes beyond the limit or a known end.
   */
  take(offset: number, bytes: Uint8Array): Uint8Array | "gap" | null {
    const end = offset + bytes.byteLength;
    if (bytes.byteLength > MAX_DATA) throw new SessionError("protocol", `${bytes.byteLength} bytes in one DATA frame`);
    if (this.finalSize !== null && end > this.finalSize)
      throw new SessionError("protocol", "bytes beyond the final size");
    if (end > this.limit) throw new SessionError("flow-control", `bytes up to ${end}, ${this.limit} granted`);
    if (offset > this.received) return this.#gap();
    if (end <= this.received) return null;
    const fresh = bytes.subarray(this.received - offset);
    this.received = end;
    this.#ends.push(end);
    this.held += fresh.byteLength + FRAME_CHARGE;
    this.#asked = false;
    this.#grow(end);
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
  consume(bytes: number): void {
    const received = this.finalSize !== null && this.received > this.finalSize ? this.finalSize : this.received;
    if (this.consumed + bytes > received)
      throw new RangeError(`consumed ${this.consumed + bytes} of ${received} received`);
    const before = this.consumed;
    this.consumed += bytes;
    let frames = 0;
    while (this.#ends[frames] !== undefined && (this.#ends[frames] ?? 0) <= this.consumed) frames += 1;
    if (frames > 0) this.#ends.splice(0, frames);
    this.#unreported += this.consumed - before + frames * FRAME_CHARGE;
  }

  /** What to tell the far end: bytes consumed, and one more when the FIN is consumed too. */
  get toReport(): number {
    return this.done ? this.consumed + 1 : this.consumed;
  }

  /** True when FIN and every byte before it are consumed. */
  get done(): boolean {
    return this.finalSize !== null && this.received > this.finalSize && this.consumed === this.finalSize;
  }

  get unreported(): boolean {
    return this.toReport > this.#reported;
  }

  /** True when waiting longer to report would hold the far end back. */
  get overdue(): boolean {
    return this.unreported && (this.done || this.#unreported >= Math.min(REPORT_CHARGE, this.window / 4));
  }

  /** Notes that `toReport` is on its way; returns the charge the far end will release. */
  report(): number {
    const released = this.#unreported;
    this.#reported = this.toReport;
    this.#unreported = 0;
    this.held -= released;
    return released;
  }

  /** Grants up to `bytes` beyond what is consumed; returns true when the limit moved. */
  grant(bytes: number): boolean {
    const limit = this.consumed + bytes;
    if (limit <= this.limit || this.finalSize !== null) return false;
    this.#passed.push(this.limit);
    if (this.#passed.length > MAX_PASSED) this.#passed.shift();
    this.limit = limit;
    return true;
  }

  /** Promised and not yet consumed: what the sender may still make us hold. */
  get promised(): number {
    return this.finalSize !== null ? this.finalSize - this.consumed : this.limit - this.consumed;
  }

  /** After a quiet while: the window falls back to where it began. */
  settle(): void {
    this.window = STREAM_WINDOW;
  }

  #gap(): "gap" | null {
    if (this.#asked) return null;
    this.#asked = true;
    return "gap";
  }

  /**
   * A frame that ends at a limit we had moved on by then says that the sender stood before it although the application
   * keeps up: the window is what holds it back. It doubles once for every window consumed, so only readers have large ones.
   */
  #grow(end: number): void {
    const stood = this.#passed.includes(end);
    const keepsUp = this.consumed - this.#grownAt >= this.window;
    if (!stood || !keepsUp || this.window >= MAX_STREAM_WINDOW) return;
    this.window *= 2;
    this.#grownAt = this.consumed;
  }
}
