import { SessionError } from "./errors.ts";
import type { Incoming } from "./incoming.ts";
import { INITIAL_CREDIT, INITIAL_WINDOW, MIN_STREAM_WINDOW, STREAM_WINDOW } from "./limits.ts";

/** What one end lets the far end send it: the session's window, and how it is promised to streams. */
export class Allowance {
  /** Charge received and not yet reported consumed, of all streams. */
  held = 0;
  #window = INITIAL_WINDOW;
  /** The largest window ever granted: it may still be in use on the way. */
  #ceiling = INITIAL_WINDOW;
  #promised = 0;
  #counted = new Map<Incoming, number>();

  get window(): number {
    return this.#window;
  }

  set window(bytes: number) {
    this.#window = bytes;
    // What is on its way was sent within the window of then, and nothing tells us when the last of it has come.
    this.#ceiling = Math.max(this.#ceiling, bytes);
  }

  /** True when so much is held that what is consumed must be reported at once, or the sender stands still. */
  get scarce(): boolean {
    return this.held > this.#window / 2;
  }

  /** Takes `charge` received. Throws SessionError(flow-control) beyond the window; a first frame is always allowed. */
  hold(charge: number): void {
    const first = this.held === 0;
    this.held += charge;
    if (this.held > this.#ceiling && !first) {
      throw new SessionError("flow-control", `${this.held} bytes of charge held, ${this.#ceiling} granted`);
    }
  }

  /** Grants a caller's stream what goes with its OPEN: less than the default, if the session is crowded, but room for a first flight. */
  first(stream: Incoming): void {
    stream.limit = Math.max(INITIAL_CREDIT, this.share(stream));
    this.count(stream);
  }

  /** Grants a stream what it may have now; returns true when its limit moved. */
  extend(stream: Incoming): boolean {
    const moved = stream.grant(this.share(stream));
    this.count(stream);
    return moved;
  }

  /** True when what the stream could be granted is well ahead of what it was told. */
  lags(stream: Incoming): boolean {
    const share = this.share(stream);
    return stream.finalSize === null && stream.consumed + share - stream.limit >= share / 4;
  }

  /**
   * A part of what is left to promise, so that readers that have stopped hold ever less, and never all of it:
   * a quarter of what is left of half of the window; for a stream that has proved it reads, half of what is left of three quarters.
   */
  share(stream: Incoming): number {
    const others = this.#promised - (this.#counted.get(stream) ?? 0);
    const proven = stream.window > STREAM_WINDOW;
    const part = proven ? (this.#window * 0.75 - others) / 2 : (this.#window / 2 - others) / 4;
    return Math.max(MIN_STREAM_WINDOW, Math.min(stream.window, Math.floor(part)));
  }

  /** Keeps the sum of promises true after a stream has moved. */
  count(stream: Incoming): void {
    const { promised } = stream;
    this.#promised += promised - (this.#counted.get(stream) ?? 0);
    this.#counted.set(stream, promised);
  }

  forget(stream: Incoming): void {
    this.#promised -= this.#counted.get(stream) ?? 0;
    this.#counted.delete(stream);
    this.held -= stream.held;
    stream.held = 0;
  }
}
