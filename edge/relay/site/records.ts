import { JournalQueue } from "../../journal-queue.ts";
import type { ConnectionRecord } from "../../registry/types.ts";
import type { Refusal } from "../types.ts";

/** Milliseconds records gather before they go to the registry: off the data path, and no timer while idle. */
const FLUSH_MS = 1_000;

/** Connections that have ended or were refused, on their way to the registry's journal. */
export class Records {
  readonly refusals = new Map<number, Refusal>();
  /** Other instances of this object, before and after, have another one. */
  readonly #prefix = crypto.randomUUID().slice(0, 8);
  #named = 0;
  readonly #waiting = new JournalQueue();
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #deliver: (records: ConnectionRecord[]) => Promise<void>;

  constructor(deliver: (records: ConnectionRecord[]) => Promise<void>) {
    this.#deliver = deliver;
  }

  get waiting(): ConnectionRecord[] {
    return this.#waiting.records;
  }

  /** Records that nobody will read: too many came at once, or the registry was out of reach for long. */
  get dropped(): number {
    return this.#waiting.dropped;
  }

  /** What a new stream is called in the logs of both ends. */
  name(): string {
    this.#named += 1;
    return `${this.#prefix}-${this.#named}`;
  }

  add(record: ConnectionRecord): void {
    if (record.outcome === "refused" && record.mapping !== null) {
      this.refusals.set(record.mapping, { at: record.ended, code: record.code, reason: record.reason });
    }
    this.#waiting.add(record);
    this.#timer ??= setTimeout(() => void this.#flush(), FLUSH_MS);
  }

  async #flush(): Promise<void> {
    this.#timer = undefined;
    const batch = this.#waiting.take();
    try {
      await this.#deliver(batch);
    } catch {
      // The registry is out of reach: keep them for the next ending, behind those that came meanwhile.
      for (const record of batch) this.#waiting.add(record);
    }
  }
}
