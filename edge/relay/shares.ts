import { encodeFrame, TYPE } from "../../shared/frame.ts";
import { hasRoomFor, shareOf } from "./budget.ts";
import { laneOf, type Lanes } from "./lanes.ts";

/** What each end of this relay may grant at present, and telling them when that changes. */
export class Shares {
  readonly #lanes: Lanes;
  #told: number;

  constructor(lanes: Lanes) {
    this.#lanes = lanes;
    this.#told = this.each;
  }

  /** Bytes of session windows that one end may grant. */
  get each(): number {
    return shareOf(Math.max(1, this.#ends));
  }

  /** Whether one more end can still be served decently. */
  get hasRoom(): boolean {
    return hasRoomFor(this.#ends + 1);
  }

  /** An end has come or gone: all hear of it if their share is another now. */
  divide(): void {
    const { each } = this;
    if (each === this.#told) return;
    this.#told = each;
    const frame = encodeFrame({ type: TYPE.BUDGET, offset: each });
    for (const end of this.#lanes.ends) laneOf(end, 0)?.send(frame);
  }

  get #ends(): number {
    return this.#lanes.ends.length;
  }
}
