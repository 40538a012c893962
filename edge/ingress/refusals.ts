import { Crowd } from "../crowd.ts";
import type { ConnectionRecord } from "../registry/types.ts";

/** Milliseconds between two deliveries of one isolate: a flood of denied visitors is counted, not written down one by one. */
const EVERY_MS = 1_000;
/** A delivery that takes longer died with the visitor that it was for. */
const LOST_MS = 5_000;

/** Takes what has gathered to the registry. */
type Deliver = (records: ConnectionRecord[]) => Promise<unknown>;

/** Visitors refused by this isolate, on their way to the journal: the first at once, those that follow once a second. */
export class Refusals {
  readonly #now: () => number;
  readonly #pause: (ms: number) => Promise<void>;
  readonly #waiting = new Crowd();
  #delivered = Number.NEGATIVE_INFINITY;
  #since = Number.NEGATIVE_INFINITY;

  constructor(
    now = Date.now,
    pause = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms)),
  ) {
    this.#now = now;
    this.#pause = pause;
  }

  /** Notes a refusal. Resolves when it has been delivered, if this one is the one to do so; never rejects. */
  async add(record: ConnectionRecord, deliver: Deliver): Promise<void> {
    this.#waiting.add(record);
    // Somebody else's visit delivers it: visits can't wait for each other.
    if (this.#now() - this.#since < LOST_MS) return;
    this.#since = this.#now();
    const early = this.#delivered + EVERY_MS - this.#now();
    if (early > 0) await this.#pause(early);
    const records = this.#waiting.take();
    this.#since = Number.NEGATIVE_INFINITY;
    this.#delivered = this.#now();
    // Out of reach: the counts of a denied flood are not worth keeping for.
    await deliver(records).catch(() => undefined);
  }
}
