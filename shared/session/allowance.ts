import { SessionError } from "../wire/errors.ts";
import type { Incoming } from "./incoming.ts";
import { demandOf, type Demand } from "./division.ts";
import { INITIAL_CREDIT, INITIAL_WINDOW, MIN_STREAM_WINDOW, STREAM_WINDOW } from "../wire/limits.ts";

/** Of the window: what streams that have shown that they read may be promised together, and what one of them gets of the rest of it. */
const PROVEN_PART = 15 / 16;
const PROVEN_SHARE = 7 / 8;
/** The same for the others: of as much as all may be promised, or of what is kept for them, whatever the first are promised. */
const FRESH_PART = 1 / 2;
const KEPT_PART = 1 / 16;
const FRESH_SHARE = 1 / 4;

type Count = { promised: number; fresh: number; wanted: number; stuck: number };
const NOTHING: Count = { promised: 0, fresh: 0, wanted: 0, stuck: 0 };

/** Of the window: more than this held is too much while other streams wait; streams end until no more than this is. */
const CROWDED_PART = 7 / 8;
const ROOMY_PART = 3 / 4;

/** What one end lets the far end send it: the session's window, and how it is promised to streams. */
export class Allowance {
  /** Charge received and not yet reported consumed, of all streams. */
  held = 0;
  #window = INITIAL_WINDOW;
  /** The largest window ever granted: it may still be in use on the way. */
  #ceiling = INITIAL_WINDOW;
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
    this.#ceiling = Math.max(this.#ceiling, bytes);
  }

  /** True when so much is held that what is consumed must be reported at once, or the sender stands still. */
  get scarce(): boolean {
    return this.held > this.#window / 2;
  }

  /** True when what is held leaves the other streams next to nothing. */
  get crowded(): boolean {
    return this.held > this.#window * CROWDED_PART;
  }

  /** True when so little is held that the other streams have room again. */
  get roomy(): boolean {
    return this.held <= this.#window * ROOMY_PART;
  }

  /** Takes `charge` received. Throws SessionError(flow-control) beyond the window; a first frame is always allowed. */
  hold(charge: number): void {
    const first = this.held === 0;
    this.held += charge;
    if (this.held > this.#ceiling && !first) {
      throw new SessionError("flow-control", `${this.held} bytes of charge held, ${this.#ceiling} granted`);
    }
  }

  /** What to ask for, so that those who read may have the windows they would like. */
  get demand(): Demand {
    return demandOf(this.#sum.wanted, this.#sum.stuck);
  }

  /** Grants a caller's stream what goes with its OPEN: less than the default, if the session is crowded, but room for a first flight. */
  first(stream: Incoming): void {
    stream.limit = Math.max(INITIAL_CREDIT, this.share(stream));
    this.count(stream);
  }

  /** Grants a stream what it may have now; returns true when its limit moved. */
  extend(stream: Incoming, now: number): boolean {
    const moved = stream.grant(this.share(stream), now);
    this.count(stream);
    return moved;
  }

  /** True when what the stream could be granted is well ahead of what it was told. */
  lags(stream: Incoming): boolean {
    const share = this.share(stream);
    return stream.finalSize === null && stream.consumed + share - stream.limit >= share / 4;
  }

  /**
   * A part of what is left to promise of what stalled streams don't hold. A stalled stream is promised the least: so it comes to
   * hold what its reader takes in a second.
   */
  share(stream: Incoming): number {
    if (stream.stalledAt !== null) return MIN_STREAM_WINDOW;
    const own = this.#counted.get(stream) ?? NOTHING;
    const window = this.#window - (this.#sum.stuck - own.stuck);
    const others = this.#sum.promised - own.promised;
    const fresh = this.#sum.fresh - own.fresh;
    const part =
      stream.window > STREAM_WINDOW
        ? (window * PROVEN_PART - others) * PROVEN_SHARE
        : Math.max(window * FRESH_PART - others, window * KEPT_PART - fresh) * FRESH_SHARE;
    return Math.max(MIN_STREAM_WINDOW, Math.min(stream.window, Math.floor(part)));
  }

  /** Keeps the sums true after a stream has moved. */
  count(stream: Incoming): void {
    const { window, finalSize, held, stalledAt } = stream;
    const reads = window > STREAM_WINDOW;
    const stuck = stalledAt !== null ? held : Math.max(0, held - window);
    const promised = Math.max(0, stream.promised - stuck);
    // A stream that was granted much and has stopped is not fresh: it holds nothing of what is kept for new ones.
    const fresh = reads || stream.promised > STREAM_WINDOW ? 0 : promised;
    const wanted = reads && finalSize === null ? window : 0;
    this.#add(stream, { promised, fresh, wanted, stuck });
  }

  forget(stream: Incoming): void {
    this.#add(stream, NOTHING);
    this.#counted.delete(stream);
    this.held -= stream.held;
    stream.held = 0;
  }

  #add(stream: Incoming, count: Count): void {
    const before = this.#counted.get(stream) ?? NOTHING;
    this.#sum.promised += count.promised - before.promised;
    this.#sum.fresh += count.fresh - before.fresh;
    this.#sum.wanted += count.wanted - before.wanted;
    this.#sum.stuck += count.stuck - before.stuck;
    this.#counted.set(stream, count);
  }
}
