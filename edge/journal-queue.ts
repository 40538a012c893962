import { parseAddress, sourceBucket } from "../shared/address/address.ts";
import { splitHostPort } from "../shared/address/socket-address.ts";
import type { ConnectionRecord } from "./registry/types.ts";

/** Limit on kinds of refusals in one delivery. Further ones are only counted, by mapping and code. */
const MAX_KINDS = 20;
/** Limit on refusals of one kind kept apart because their reasons differ, for example by the name of a request. */
const MAX_ALIKE = 8;

/** Records waiting to be written to the journal. Similar refusals become one record with a count, so a flood of them takes a few lines. */
export class JournalQueue {
  /** Records dropped because too many waited. */
  dropped = 0;
  readonly #most: number;
  #refused = new Map<string, ConnectionRecord>();
  readonly #kinds = new Set<string>();
  /** Records of connections that were let in, by mapping. */
  #others = new Map<number | null, ConnectionRecord[]>();
  #waiting = 0;

  /** `most`: limit on waiting records of connections that were let in. Beyond it, the mapping with the most records loses its oldest. */
  constructor(most = 500) {
    this.#most = most;
  }

  get records(): ConnectionRecord[] {
    const others = [...this.#others.values()].flat().toSorted((a, b) => a.ended - b.ended);
    return [...this.#refused.values(), ...others];
  }

  add(record: ConnectionRecord): void {
    if (record.outcome === "refused") return this.#gather(record);
    const alike = this.#others.get(record.mapping) ?? [];
    this.#others.set(record.mapping, alike);
    alike.push(record);
    this.#waiting += 1;
    if (this.#waiting <= this.#most) return;
    this.#largest(alike).shift();
    this.#waiting -= 1;
    this.dropped += 1;
  }

  /** Finds the records of the mapping with the most; `alike` if it is over an equal share, which saves the search in a flood. */
  #largest(alike: ConnectionRecord[]): ConnectionRecord[] {
    if (alike.length * this.#others.size > this.#most) return alike;
    return [...this.#others.values()].reduce((most, each) => (each.length > most.length ? each : most), alike);
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
      if (before === undefined || before.reason === record.reason || nth === MAX_ALIKE) return this.#count(key, record);
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
