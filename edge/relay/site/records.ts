import { JournalQueue } from "../../journal-queue.ts";
import type { ConnectionRecord } from "../../registry/types.ts";
import type { Refusal } from "../types.ts";

/** Milliseconds that records are collected before they are sent to the registry: off the data path, and with no timer while idle. */
const FLUSH_MS = 1_000;

/** Records of connections that have ended or were refused, which go to the registry's journal. */
export class Records {
  readonly refusals = new Map<number, Refusal>();
  /** Makes the names unique among all instances of this object. */
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

  /** Records dropped because too many came at once, or because the registry could not be reached for long. */
  get dropped(): number {
    return this.#waiting.dropped;
  }

  /** Returns the name of a new stream for the logs of the edge and the agent. */
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
      // The registry can't be reached: keep the batch for the next flush, after newer records.
      for (const record of batch) this.#waiting.add(record);
    }
  }
}
