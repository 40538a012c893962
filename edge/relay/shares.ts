import { encodeFrame, TYPE } from "../../shared/frame.ts";
import { isDecent, shareOf } from "./budget.ts";
import { laneOf, type End, type Lanes } from "./lanes.ts";

/** What each end of this relay may grant at present, and telling them when that changes. */
export class Shares {
  readonly #lanes: Lanes;
  /** What each end was last told. */
  readonly #told = new WeakMap<End, number>();

  constructor(lanes: Lanes) {
    this.#lanes = lanes;
    for (const end of lanes.ends) this.#told.set(end, this.of(end.identity));
  }

  /** Bytes of session windows that the relay's own ingress may grant: it is one identity more. */
  get own(): number {
    return shareOf(this.#counts().size, 1);
  }

  /** Bytes of session windows that each end of an identity may grant, were there `more` ends of it. */
  of(identity: string, more = 0): number {
    const counts = this.#counts();
    return shareOf(counts.size + (counts.has(identity) ? 0 : 1), (counts.get(identity) ?? 0) + more);
  }

  /** Whether one more end of an identity can still be served decently. */
  hasRoom(identity: string): boolean {
    return isDecent(this.of(identity, 1));
  }

  /** An end has come or gone: those hear of it whose share is another now. */
  divide(): void {
    for (const end of this.#lanes.ends) {
      const share = this.of(end.identity);
      const before = this.#told.get(end);
      this.#told.set(end, share);
      // A new end has heard it in its WELCOME.
      if (before !== undefined && before !== share)
        laneOf(end, 0)?.send(encodeFrame({ type: TYPE.BUDGET, offset: share }));
    }
  }

  /** How many ends each identity has. */
  #counts(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { identity } of this.#lanes.ends) counts.set(identity, (counts.get(identity) ?? 0) + 1);
    return counts;
  }
}
