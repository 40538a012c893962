/** Milliseconds for which an answer is reused. */
const VALID_MS = 1_000;
/** The most names in the cache. */
const MAX_NAMES = 1_000;

export type Lookup = (host: string) => Promise<readonly { address: string }[]>;

/** Addresses in the resolver's order, empty if the name does not exist; null if the resolver could not tell. */
export type Resolved = readonly string[] | null;

type Entry = { answer: Promise<Resolved>; until: number };

/**
 * A cache that asks the resolver for a name only once at a time, and at most once a second. So visitors of one mapping can't
 * flood the network's name server, and a name whose server does not answer blocks one of Node's few resolver threads, not all.
 */
export class ResolverCache {
  readonly #lookup: Lookup;
  readonly #now: () => number;
  readonly #entries = new Map<string, Entry>();

  /** `now` in milliseconds. */
  constructor(lookup: Lookup, now: () => number = () => performance.now()) {
    this.#lookup = lookup;
    this.#now = now;
  }

  /** Resolves a name to its addresses. Never rejects. */
  resolve(host: string): Promise<Resolved> {
    const before = this.#entries.get(host);
    if (before !== undefined && this.#now() < before.until) return before.answer;
    this.#entries.delete(host);
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined && this.#entries.size >= MAX_NAMES) this.#entries.delete(oldest);
    const entry: Entry = { answer: this.#ask(host), until: Infinity };
    this.#entries.set(host, entry);
    void entry.answer.then(() => (entry.until = this.#now() + VALID_MS));
    return entry.answer;
  }

  async #ask(host: string): Promise<Resolved> {
    try {
      return (await this.#lookup(host)).map(({ address }) => address);
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === "ENOTFOUND" ? [] : null;
    }
  }
}
