import { parseAddress, sourceBucket } from "../../shared/address.ts";
import { splitHostPort } from "../../shared/socket-address.ts";
import type { ConnectionRecord } from "../registry/types.ts";

/** Milliseconds between two deliveries of one isolate: a flood of denied visitors is counted, not written down one by one. */
const EVERY_MS = 1_000;
/** Kinds of refusals told apart in one delivery; the rest of it is one number for each mapping and code. */
const MOST = 20;
/** A delivery that takes longer died with the visitor that it was for. */
const LOST_MS = 5_000;

/** Takes what has gathered to the registry. */
type Deliver = (records: ConnectionRecord[]) => Promise<unknown>;

/** Visitors refused by this isolate, on their way to the journal: the first at once, those that follow once a second. */
export class Refusals {
  readonly #now: () => number;
  readonly #pause: (ms: number) => Promise<void>;
  #waiting = new Map<string, ConnectionRecord>();
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
    this.#gather(record);
    // Somebody else's visit delivers it: visits can't wait for each other.
    if (this.#now() - this.#since < LOST_MS) return;
    this.#since = this.#now();
    const early = this.#delivered + EVERY_MS - this.#now();
    if (early > 0) await this.#pause(early);
    const records = [...this.#waiting.values()];
    this.#waiting = new Map();
    this.#since = Number.NEGATIVE_INFINITY;
    this.#delivered = this.#now();
    // Out of reach: the counts of a denied flood are not worth keeping for.
    await deliver(records).catch(() => undefined);
  }

  #gather(record: ConnectionRecord): void {
    const { mapping, endpoint, code, visitor } = record;
    const own = `${mapping ?? ""} ${endpoint} ${code} ${sourceOf(visitor)}`;
    const crowded = !this.#waiting.has(own) && this.#waiting.size >= MOST;
    // Strangers choose ports and come from anywhere; mappings they don't choose.
    const key = crowded ? `${mapping ?? ""} ${code}` : own;
    const before = this.#waiting.get(key);
    this.#waiting.set(
      key,
      before === undefined ? record : { ...before, ended: record.ended, count: (before.count ?? 1) + 1 },
    );
  }
}

function sourceOf(visitor: string): string {
  const address = parseAddress(splitHostPort(visitor)?.host ?? "");
  return address.ok ? sourceBucket(address.value) : "";
}
