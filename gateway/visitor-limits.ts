import { parseAddress, sourceBucket } from "../shared/address/address.ts";
import { MAX_STREAMS } from "../shared/wire/limits.ts";
import { FairLimit } from "../shared/fair-limit.ts";

/** The share of the limit on streams from which flows with unproven peers are ended. */
const CROWDED_SHARE = 3 / 4;

/**
 * The limits on the visitors of one site, whose streams and flows share one session. A source has no more streams than are left
 * free. Against forged sources, the oldest flows with unproven peers are ended when there are too many streams.
 */
export class VisitorLimits {
  readonly #places: FairLimit<string>;
  readonly #crowded: number;
  /** Functions that end the flows whose peers have not sent again after an answer, the oldest first. */
  readonly #unproven = new Set<() => void>();

  constructor(most = MAX_STREAMS) {
    this.#places = new FairLimit(most);
    this.#crowded = most * CROWDED_SHARE;
  }

  /** Counts a stream of a visitor's address. Returns false if it may not have one more. Call `leave` at the stream's end. */
  enter(host: string): boolean {
    return this.#places.acquire(sourceOf(host));
  }

  leave(host: string): void {
    this.#places.release(sourceOf(host));
  }

  /** Adds a new flow, which `end` ends. Its peer's address may be forged: if there are too many streams, the oldest such flow is ended. */
  addUnproven(end: () => void): void {
    this.#unproven.add(end);
    const [oldest] = this.#unproven;
    if (oldest === undefined || this.#places.inUse <= this.#crowded) return;
    this.#unproven.delete(oldest);
    oldest();
  }

  /** Removes a flow whose peer has answered, or that is over. */
  removeUnproven(end: () => void): void {
    this.#unproven.delete(end);
  }
}

function sourceOf(host: string): string {
  const address = parseAddress(host);
  return address.ok ? sourceBucket(address.value) : host;
}
