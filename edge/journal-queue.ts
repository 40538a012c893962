import { parseAddress, sourceBucket } from "../shared/address/address.ts";
import { splitHostPort } from "../shared/address/socket-address.ts";
import type { ConnectionRecord } from "./registry/types.ts";

/** Limit on kinds of refusals in one delivery. Further ones are only counted, by mapping and code. */
const MAX_KINDS = 20;
/** Limit on refusals of one kind kept apart because their reasons differ, for example by the name of a request. */
const MAX_REASONS_PER_KIND = 8;

/** Records waiting to be written to the journal. Similar refusals become one record with a count, so a flood of them takes a few lines. */
export class JournalQueue {
  /** Records dropped because too many waited. */
  dropped = 0;
  readonly #limit: number;
  #refused = new Map<string, ConnectionRecord>();
  readonly #kinds = new Set<string>();
  /** Records of connections that were let in, by mapping. */
  #others = new Map<number | null, ConnectionRecord[]>();
  #waiting = 0;

  /** `limit`: how many records of connections that were let in may wait. Beyond it, the mapping with the most records loses its oldest. */
  constructor(limit = 500) {
    this.#limit = limit;
  }

  get records(): ConnectionRecord[] {
    const others = [...this.#others.values()].flat().toSorted((a, b) => a.ended - b.ended);
    return [...this.#refused.values(), ...others];
  }

  add(record: ConnectionRecord): void {
    if (record.outcome === "refused") return this.#gather(record);
    const sameMapping = this.#others.get(record.mapping) ?? [];
    this.#others.set(record.mapping, sameMapping);
    sameMapping.push(record);
    this.#waiting += 1;
    if (this.#waiting <= this.#limit) return;
    this.#largest(sameMapping).shift();
    this.#waiting -= 1;
    this.dropped += 1;
  }

  /** Returns the records of the mapping that has the most. If `sameMapping` is over an equal share, returns that, which saves a search in a flood. */
  #largest(sameMapping: ConnectionRecord[]): ConnectionRecord[] {
    if (sameMapping.length * this.#others.size > this.#limit) return sameMapping;
    return [...this.#others.values()].reduce(
      (longest, each) => (each.length > longest.length ? each : longest),
      sameMapping,
    );
  }

  /** Returns all waiting records, and empties the queue. */
  take(): ConnectionRecord[] {
    const { records } = this;
    this.#refused = new Map();
    this.#kinds.clear();
    this.#others = new Map();
    this.#waiting = 0;
    return records;
  }

  #gather(record: ConnectionRecord): void {
    const { mapping, endpoint, code, visitor } = record;
    const kind = `${mapping ?? ""} ${endpoint} ${code} ${sourceOf(visitor)}`;
    // Visitors choose their ports and addresses, so these could make any number of kinds. Mappings and codes can't.
    if (!this.#kinds.has(kind) && this.#kinds.size >= MAX_KINDS) return this.#count(`${mapping ?? ""} ${code}`, record);
    this.#kinds.add(kind);
    for (let nth = 1; ; nth += 1) {
      const key = `${kind} ${nth}`;
      const before = this.#refused.get(key);
      if (before === undefined || before.reason === record.reason || nth === MAX_REASONS_PER_KIND)
        return this.#count(key, record);
    }
  }

  #count(key: string, record: ConnectionRecord): void {
    const before = this.#refused.get(key);
    const count = (before?.count ?? 1) + (record.count ?? 1);
    this.#refused.set(key, before === undefined ? record : { ...before, ended: record.ended, count });
  }
}

function sourceOf(visitor: string): string {
  const address = parseAddress(splitHostPort(visitor)?.host ?? "");
  return address.ok ? sourceBucket(address.value) : "";
}
