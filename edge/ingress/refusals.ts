import { JournalQueue } from "../journal-queue.ts";
import type { ConnectionRecord } from "../registry/types.ts";

/**
 * Milliseconds between two deliveries of one isolate, so that a flood of denied visitors is recorded with counts, not one by one.
 */
const EVERY_MS = 1_000;
/** Milliseconds after which a delivery counts as lost: the platform cancels it with the visit that made it. */
const LOST_MS = 5_000;

/** Sends the collected records to the registry. */
type Deliver = (records: ConnectionRecord[]) => Promise<unknown>;

/** Visitors refused by this isolate that are not yet in the log. The first is delivered at once, later ones once a second. */
export class Refusals {
  readonly #now: () => number;
  readonly #pause: (ms: number) => Promise<void>;
  readonly #waiting = new JournalQueue();
  #delivered = Number.NEGATIVE_INFINITY;
  #since = Number.NEGATIVE_INFINITY;

  constructor(
    now = Date.now,
    pause = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms)),
  ) {
    this.#now = now;
    this.#pause = pause;
  }

  /**
   * Notes a refusal. If no delivery is pending, delivers all that are noted and resolves after that; otherwise resolves at once.
   * Never rejects.
   */
  async add(record: ConnectionRecord, deliver: Deliver): Promise<void> {
    this.#waiting.add(record);
    // Another visit delivers it: visits can't wait for each other's I/O.
    if (this.#now() - this.#since < LOST_MS) return;
    this.#since = this.#now();
    const early = this.#delivered + EVERY_MS - this.#now();
    if (early > 0) await this.#pause(early);
    const records = this.#waiting.take();
    this.#since = Number.NEGATIVE_INFINITY;
    this.#delivered = this.#now();
    // The registry can't be reached: these counts are not worth a retry.
    await deliver(records).catch(() => undefined);
  }
}
