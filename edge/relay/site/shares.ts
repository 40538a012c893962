import { Bucket } from "../../../shared/bucket.ts";
import { divide, NO_DEMAND, sumDemands, type Demand } from "../../../shared/session/division.ts";
import { SessionError } from "../../../shared/wire/errors.ts";
import { encodeFrame, readU64, TYPE, viewOf, type Frame } from "../../../shared/wire/frame.ts";
import { MAX_STREAM_WINDOW, RELAY_BUDGET } from "../../../shared/wire/limits.ts";
import { isSufficient, sharePerEnd } from "./budget.ts";
import { laneOf, type End, type Lanes } from "../lanes/lanes.ts";

/** How often an end may ask: all others may have to be told. */
const ASKS_PER_SECOND = 10;
const ASK_BURST = 50;

/** Bytes of session windows that the ingress, and each identity, may grant. */
type Division = { own: number; identities: Map<string, number>; ends: Map<string, number> };

/** What each end of this relay may grant at present, and telling them when that changes. */
export class Shares {
  readonly #lanes: Lanes;
  readonly #own: () => Demand;
  /** What each end was last told. */
  readonly #told = new WeakMap<End, number>();
  readonly #asks = new WeakMap<End, Bucket>();

  constructor(lanes: Lanes, own: () => Demand) {
    this.#lanes = lanes;
    this.#own = own;
    // What they were told by a former instance nobody knows.
    for (const end of lanes.ends) this.#told.set(end, -1);
  }

  /** Bytes of session windows that the relay's own ingress may grant. */
  get own(): number {
    return this.#division().own;
  }

  /** Bytes of session windows that each end of an identity may grant, were there `more` ends of it. */
  of(identity: string, more = 0): number {
    const { identities, ends } = this.#division(identity);
    return sharePerEnd(identities.get(identity) ?? 0, (ends.get(identity) ?? 0) + more);
  }

  /** Whether one more end of an identity can still be served decently. */
  hasBudget(identity: string): boolean {
    return isSufficient(this.of(identity, 1));
  }

  /** An end says what it needs. Throws SessionError when it does so too often. `now` in milliseconds. */
  ask(end: End, { offset, payload }: Frame, now: number): void {
    const asks = this.#asks.get(end) ?? new Bucket(ASKS_PER_SECOND, ASK_BURST);
    this.#asks.set(end, asks);
    if (!asks.take(now)) throw new SessionError("flow-control", "BUDGET too often");
    if (payload.byteLength !== 8) throw new SessionError("protocol", "BUDGET without its 8 bytes");
    // Nobody holds more than he was granted, whatever he says.
    const stuck = Math.min(readU64(viewOf(payload), 0), this.#told.get(end) ?? 0);
    end.demand = { bytes: Math.min(MAX_STREAM_WINDOW, offset), unread: Math.max(0, stuck) };
  }

  /** An end has come or gone, or wants something else: those hear of it whose share is another now. */
  divide(): void {
    const { identities, ends } = this.#division();
    for (const end of this.#lanes.ends) {
      const share = sharePerEnd(identities.get(end.identity) ?? 0, ends.get(end.identity) ?? 1);
      const before = this.#told.get(end);
      this.#told.set(end, share);
      // A new end has heard it in its WELCOME.
      if (before !== undefined && before !== share)
        laneOf(end, 0)?.send(encodeFrame({ type: TYPE.BUDGET, offset: share }));
    }
  }

  #division(newcomer?: string): Division {
    const ends = new Map<string, number>();
    const demands = new Map<string, Demand>(newcomer === undefined ? [] : [[newcomer, NO_DEMAND]]);
    for (const { identity, demand } of this.#lanes.ends) {
      ends.set(identity, (ends.get(identity) ?? 0) + 1);
      demands.set(identity, sumDemands([demands.get(identity) ?? NO_DEMAND, demand]));
    }
    const [own = 0, ...others] = divide(RELAY_BUDGET, [this.#own(), ...demands.values()]);
    return { own, identities: new Map([...demands.keys()].map((name, at) => [name, others[at] ?? 0])), ends };
  }
}
