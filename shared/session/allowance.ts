import { SessionError } from "../wire/errors.ts";
import type { Incoming } from "./incoming.ts";
import { demandOf, type Demand } from "./division.ts";
import { INITIAL_CREDIT, INITIAL_WINDOW, MIN_STREAM_WINDOW, STREAM_WINDOW } from "../wire/limits.ts";

/**
 * The share of the session window that proven streams may be promised together, and the share of the rest that a single one may
 * get. A stream is proven once its reader has earned more than STREAM_WINDOW.
 */
const PROVEN_TOTAL = 15 / 16;
const PROVEN_EACH = 7 / 8;
/** The same for unproven streams: a part shared with the proven ones, or a part reserved for them alone; the larger counts. */
const UNPROVEN_TOTAL = 1 / 2;
const RESERVED_TOTAL = 1 / 16;
const UNPROVEN_EACH = 1 / 4;

type Count = { promised: number; unproven: number; demand: number; unread: number };
const NOTHING: Count = { promised: 0, unproven: 0, demand: 0, unread: 0 };

/**
 * Parts of the session window. When more than NEARLY_FULL is outstanding, stalled streams are ended until at most RECOVERED is.
 */
const NEARLY_FULL = 7 / 8;
const RECOVERED = 3 / 4;

/** How a receiver promises its session window to the streams of the session, by raising their limits. */
export class Allowance {
  /** Charge received and not yet reported consumed, over all streams. */
  outstanding = 0;
  #window = INITIAL_WINDOW;
  /** The largest window ever granted: frames in flight may have been sent within it. */
  #maxWindow = INITIAL_WINDOW;
  /**
   * Sums over all streams, in bytes. `unread`: delivered to stalled readers. `promised`: what limits allow beyond what
   * is consumed, without `unread`; `unproven`: the same, of unproven streams only. `demand`: the windows that proven streams could use.
   */
  #sum: Count = { ...NOTHING };
  #counted = new Map<Incoming, Count>();

  get window(): number {
    return this.#window;
  }

  set window(bytes: number) {
    this.#window = bytes;
    // Frames in flight were sent within the former window, and no frame says when the last of them has come.
    this.#maxWindow = Math.max(this.#maxWindow, bytes);
  }

  /** True when so much is outstanding that reports must not wait, or the sender runs out of window. */
  get isScarce(): boolean {
    return this.outstanding > this.#window / 2;
  }

  /** True when so much is outstanding that hardly any window is left for other streams. */
  get isNearlyFull(): boolean {
    return this.outstanding > this.#window * NEARLY_FULL;
  }

  /** True when enough of the window is free again for other streams. */
  get hasRecovered(): boolean {
    return this.outstanding <= this.#window * RECOVERED;
  }

  /**
   * Counts the charge of a frame received. Throws SessionError(flow-control) beyond the window, except for a frame that comes
   * while nothing is outstanding.
   */
  countReceived(charge: number): void {
    const isFirst = this.outstanding === 0;
    this.outstanding += charge;
    if (this.outstanding > this.#maxWindow && !isFirst) {
      throw new SessionError(
        "flow-control",
        `${this.outstanding} bytes of charge outstanding in a window of ${this.#maxWindow}`,
      );
    }
  }

  /** The demand with which proven streams would get the windows they could use. */
  get demand(): Demand {
    return demandOf(this.#sum.demand, this.#sum.unread);
  }

  /** Sets the limit that a caller's OPEN carries: at least INITIAL_CREDIT, for a first flight, however little window is left. */
  grantFirst(stream: Incoming): void {
    stream.limit = Math.max(INITIAL_CREDIT, this.grantable(stream));
    this.update(stream);
  }

  /** Raises a stream's limit as far as it may go now. Returns true when it moved. */
  raiseLimit(stream: Incoming, now: number): boolean {
    const moved = stream.grant(this.grantable(stream), now);
    this.update(stream);
    return moved;
  }

  /** True when the limit could be raised by a quarter of what the stream can be granted, or more. */
  isLimitBehind(stream: Incoming): boolean {
    const grantable = this.grantable(stream);
    return stream.finalSize === null && stream.consumed + grantable - stream.limit >= grantable / 4;
  }

  /**
   * Bytes beyond what is consumed that a stream can be granted now: a part of what the window has left to promise, after
   * what stalled readers have not read is subtracted. A stalled stream gets the least, so that no more is unread than its reader takes in a second.
   */
  grantable(stream: Incoming): number {
    if (stream.stalledAt !== null) return MIN_STREAM_WINDOW;
    const own = this.#counted.get(stream) ?? NOTHING;
    const window = this.#window - (this.#sum.unread - own.unread);
    const others = this.#sum.promised - own.promised;
    const unproven = this.#sum.unproven - own.unproven;
    const part =
      stream.window > STREAM_WINDOW
        ? (window * PROVEN_TOTAL - others) * PROVEN_EACH
        : Math.max(window * UNPROVEN_TOTAL - others, window * RESERVED_TOTAL - unproven) * UNPROVEN_EACH;
    return Math.max(MIN_STREAM_WINDOW, Math.min(stream.window, Math.floor(part)));
  }

  /** Brings the sums up to date after a stream has changed. */
  update(stream: Incoming): void {
    const { window, finalSize, outstanding, stalledAt } = stream;
    const isProven = window > STREAM_WINDOW;
    const unread = stalledAt !== null ? outstanding : Math.max(0, outstanding - window);
    const promised = Math.max(0, stream.promised - unread);
    // A stream with a wide limit that has stopped is not unproven: it must not use up what is reserved for new streams.
    const unproven = isProven || stream.promised > STREAM_WINDOW ? 0 : promised;
    const demand = isProven && finalSize === null ? window : 0;
    this.#add(stream, { promised, unproven, demand, unread });
  }

  forget(stream: Incoming): void {
    this.#add(stream, NOTHING);
    this.#counted.delete(stream);
    this.outstanding -= stream.outstanding;
    stream.outstanding = 0;
  }

  #add(stream: Incoming, count: Count): void {
    const before = this.#counted.get(stream) ?? NOTHING;
    this.#sum.promised += count.promised - before.promised;
    this.#sum.unproven += count.unproven - before.unproven;
    this.#sum.demand += count.demand - before.demand;
    this.#sum.unread += count.unread - before.unread;
    this.#counted.set(stream, count);
  }
}
