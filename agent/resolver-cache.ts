/** Milliseconds for which an answer serves those who ask again. */
const VALID_MS = 1_000;
/** Names remembered. */
const MAX_NAMES = 1_000;

export type Lookup = (host: string) => Promise<readonly { address: string }[]>;

/** Addresses in the resolver's order, none of a name that does not exist; null: the resolver could not tell. */
export type Resolved = readonly string[] | null;

type Entry = { answer: Promise<Resolved>; until: number };

/**
 * Asks the resolver for each name once at a time, and at most once a second: visitors of one mapping can't flood the
 * network's name server, and a name whose server is silent takes one of the few threads that resolve, not all of them.
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

  /** Never rejects. */
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
