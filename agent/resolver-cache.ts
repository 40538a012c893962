/** Milliseconds for which an answer serves those who ask again. */
const GOOD_MS = 1_000;
/** Names remembered. */
const MOST_NAMES = 1_000;

export type Lookup = (host: string) => Promise<readonly { address: string }[]>;

/** Addresses in the resolver's order, none of a name that does not exist; null: the resolver could not tell. */
export type Found = readonly string[] | null;

type Asked = { answer: Promise<Found>; until: number };

/**
 * Asks the resolver for each name once at a time, and at most once a second: visitors of one mapping can't flood the
 * network's name server, and a name whose server is silent takes one of the few threads that resolve, not all of them.
 */
export class Names {
  readonly #lookup: Lookup;
  readonly #now: () => number;
  readonly #asked = new Map<string, Asked>();

  /** `now` in milliseconds. */
  constructor(lookup: Lookup, now: () => number = () => performance.now()) {
    this.#lookup = lookup;
    this.#now = now;
  }

  /** Never rejects. */
  resolve(host: string): Promise<Found> {
    const before = this.#asked.get(host);
    if (before !== undefined && this.#now() < before.until) return before.answer;
    this.#asked.delete(host);
    const [oldest] = this.#asked.keys();
    if (oldest !== undefined && this.#asked.size >= MOST_NAMES) this.#asked.delete(oldest);
    const asked: Asked = { answer: this.#ask(host), until: Infinity };
    this.#asked.set(host, asked);
    void asked.answer.then(() => (asked.until = this.#now() + GOOD_MS));
    return asked.answer;
  }

  async #ask(host: string): Promise<Found> {
    try {
      return (await this.#lookup(host)).map(({ address }) => address);
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === "ENOTFOUND" ? [] : null;
    }
  }
}
