import { SessionError } from "../wire/errors.ts";
import type { Incoming } from "./incoming.ts";
import { demandOf, type Demand } from "./division.ts";
import { INITIAL_CREDIT, INITIAL_WINDOW, MIN_STREAM_WINDOW, STREAM_WINDOW } from "../wire/limits.ts";

/** Of the window: what streams that have shown that they read may be promised together, and what one of them gets of the rest of it. */
const PROVEN_TOTAL = 15 / 16;
const PROVEN_EACH = 7 / 8;
/** The same for the others: of as much as all may be promised, or of what is kept for them, whatever the first are promised. */
const UNPROVEN_TOTAL = 1 / 2;
const RESERVED_TOTAL = 1 / 16;
const UNPROVEN_EACH = 1 / 4;

type Count = { promised: number; unproven: number; demand: number; unread: number };
const NOTHING: Count = { promised: 0, unproven: 0, demand: 0, unread: 0 };

/** Of the window: more than this held is too much while other streams wait; streams end until no more than this is. */
const NEARLY_FULL = 7 / 8;
const RECOVERED = 3 / 4;

/** What one end lets the far end send it: the session's window, and how it is promised to streams. */
export class Allowance {
  /** Charge received and not yet reported consumed, of all streams. */
  outstanding = 0;
  #window = INITIAL_WINDOW;
  /** The largest window ever granted: it may still be in use on the way. */
  #maxWindow = INITIAL_WINDOW;
  /**
   * Sums over all streams, in bytes: what waits for stalled readers; what else is promised; of it, to streams that have shown
   * nothing; the windows that the others would like.
   */
  #sum: Count = { ...NOTHING };
  #counted = new Map<Incoming, Count>();

  get window(): number {
    return this.#window;
  }

  set window(bytes: number) {
    this.#window = bytes;
    // What is on its way was sent within the window of then, and nothing tells us when the last of it has come.
    this.#maxWindow = Math.max(this.#maxWindow, bytes);
  }

  /** True when so much is held that what is consumed must be reported at once, or the sender stands still. */
  get isScarce(): boolean {
    return this.outstanding > this.#window / 2;
  }

  /** True when what is held leaves the other streams next to nothing. */
  get isNearlyFull(): boolean {
    return this.outstanding > this.#window * NEARLY_FULL;
  }

  /** True when so little is held that the other streams have room again. */
  get hasRecovered(): boolean {
    return this.outstanding <= this.#window * RECOVERED;
  }

  /** Takes `charge` received. Throws SessionError(flow-control) beyond the window; a first frame is always allowed. */
  countReceived(charge: number): void {
    const isFirst = this.outstanding === 0;
    this.outstanding += charge;
    if (this.outstanding > this.#maxWindow && !isFirst) {
      throw new SessionError("flow-control", `${this.outstanding} bytes of charge held, ${this.#maxWindow} granted`);
    }
  }

  /** What to ask for, so that those who read may have the windows they would like. */
  get demand(): Demand {
    return demandOf(this.#sum.demand, this.#sum.unread);
  }

  /** Grants a caller's stream what goes with its OPEN: less than the default, if the session is crowded, but room for a first flight. */
  grantFirst(stream: Incoming): void {
    stream.limit = Math.max(INITIAL_CREDIT, this.grantable(stream));
    this.update(stream);
  }

  /** Grants a stream what it may have now; returns true when its limit moved. */
  raiseLimit(stream: Incoming, now: number): boolean {
    const moved = stream.grant(this.grantable(stream), now);
    this.update(stream);
    return moved;
  }

  /** True when what the stream could be granted is well ahead of what it was told. */
  isLimitBehind(stream: Incoming): boolean {
    const grantable = this.grantable(stream);
    return stream.finalSize === null && stream.consumed + grantable - stream.limit >= grantable / 4;
  }

  /**
   * A part of what is left to promise of what stalled streams don't hold. A stalled stream is promised the least: so it comes to
   * hold what its reader takes in a second.
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

  /** Keeps the sums true after a stream has moved. */
  update(stream: Incoming): void {
    const { window, finalSize, outstanding, stalledAt } = stream;
    const isProven = window > STREAM_WINDOW;
    const unread = stalledAt !== null ? outstanding : Math.max(0, outstanding - window);
    const promised = Math.max(0, stream.promised - unread);
    // A stream that was granted much and has stopped is not fresh: it holds nothing of what is kept for new ones.
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
