import { Bucket } from "../../../shared/bucket.ts";
import { divide, NO_DEMAND, sumDemands, type Demand } from "../../../shared/session/division.ts";
import { SessionError } from "../../../shared/wire/errors.ts";
import { encodeFrame, readU64, TYPE, viewOf, type Frame } from "../../../shared/wire/frame.ts";
import { MAX_STREAM_WINDOW, RELAY_BUDGET } from "../../../shared/wire/limits.ts";
import { isSufficient, sharePerEnd } from "./budget.ts";
import { laneOf, type End, type Lanes } from "../lanes/lanes.ts";

/** How often an end may report its demand: each report may change the shares of all others. */
const ASKS_PER_SECOND = 10;
const ASK_BURST = 50;

/** The budget as divided, in bytes: `own` for the relay's own visitors, and the share of each identity. `ends`: ends of each identity. */
type Division = { own: number; identities: Map<string, number>; ends: Map<string, number> };

/** Divides the relay's budget, and sends BUDGET to each end whose part changes. */
export class Shares {
  readonly #lanes: Lanes;
  readonly #own: () => Demand;
  /** The part last sent to each end. */
  readonly #sent = new WeakMap<End, number>();
  readonly #asks = new WeakMap<End, Bucket>();

  constructor(lanes: Lanes, own: () => Demand) {
    this.#lanes = lanes;
    this.#own = own;
    // What an earlier instance has sent is not known.
    for (const end of lanes.ends) this.#sent.set(end, -1);
  }

  /** Bytes of session windows for the relay's own visitors. */
  get own(): number {
    return this.#division().own;
  }

  /** Returns the bytes of session windows that each end of an identity may grant; `more` ends are counted in addition. */
  of(identity: string, more = 0): number {
    const { identities, ends } = this.#division(identity);
    return sharePerEnd(identities.get(identity) ?? 0, (ends.get(identity) ?? 0) + more);
  }

  /** Whether the parts of an identity's ends stay large enough with one more end. */
  hasBudget(identity: string): boolean {
    return isSufficient(this.of(identity, 1));
  }

  /** Takes the demand of an end from its BUDGET frame. Throws SessionError when they come too often. `now` in milliseconds. */
  ask(end: End, { offset, payload }: Frame, now: number): void {
    const asks = this.#asks.get(end) ?? new Bucket(ASKS_PER_SECOND, ASK_BURST);
    this.#asks.set(end, asks);
    if (!asks.take(now)) throw new SessionError("flow-control", "BUDGET too often");
    if (payload.byteLength !== 8) throw new SessionError("protocol", "BUDGET without its 8 bytes");
    // An end can't hold more than it was granted.
    const unread = Math.min(readU64(viewOf(payload), 0), this.#sent.get(end) ?? 0);
    end.demand = { bytes: Math.min(MAX_STREAM_WINDOW, offset), unread: Math.max(0, unread) };
  }

  /** Divides the budget again after an end has joined or left, or its demand has changed, and sends BUDGET to each end whose part is new. */
  divide(): void {
    const { identities, ends } = this.#division();
    for (const end of this.#lanes.ends) {
      const share = sharePerEnd(identities.get(end.identity) ?? 0, ends.get(end.identity) ?? 1);
      const before = this.#sent.get(end);
      this.#sent.set(end, share);
      // WELCOME has told a new end its part.
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
