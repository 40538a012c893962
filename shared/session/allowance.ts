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

/** What one end lets the far end send it: the session's window, and how it is promised to streams. */
export class Allowance {
  /** Charge received and not yet reported consumed, of all streams. */
  held = 0;
  #window = INITIAL_WINDOW;
  /** The largest window ever granted: it may still be in use on the way. */
  #ceiling = INITIAL_WINDOW;
  /** Sums over all streams: what is promised; of it, to those that have shown nothing; the windows that the others would like; what waits for readers that have stopped. */
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

  /** A part of what is left to promise, so that readers that have stopped hold ever less, and never all of it. */
  share(stream: Incoming): number {
    const own = this.#counted.get(stream) ?? NOTHING;
    const others = this.#sum.promised - own.promised;
    const fresh = this.#sum.fresh - own.fresh;
    const part =
      stream.window > STREAM_WINDOW
        ? (this.#window * PROVEN_PART - others) * PROVEN_SHARE
        : Math.max(this.#window * FRESH_PART - others, this.#window * KEPT_PART - fresh) * FRESH_SHARE;
    return Math.max(MIN_STREAM_WINDOW, Math.min(stream.window, Math.floor(part)));
  }

  /** Keeps the sums true after a stream has moved. */
  count(stream: Incoming): void {
    const { promised, window, finalSize, held } = stream;
    const reads = window > STREAM_WINDOW;
    // Who was granted much and has stopped is not fresh: he holds nothing of what is kept for newcomers.
    const fresh = reads || promised > STREAM_WINDOW ? 0 : promised;
    const wanted = reads && finalSize === null ? window : 0;
    const stuck = stream.stalled ? held : Math.max(0, held - window);
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
