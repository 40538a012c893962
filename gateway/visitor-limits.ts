import { parseAddress, sourceBucket } from "../shared/address/address.ts";
import { MAX_STREAMS } from "../shared/wire/limits.ts";
import { Places } from "../shared/places.ts";

/** Of all places, the part that may be taken before flows of peers that nobody has heard twice have to go. */
const CROWDED_SHARE = 3 / 4;

/**
 * Who comes to the ports of one site: streams and flows of all of them share one session. One source holds no more of it
 * than is left free; where sources are forged, the flows that are doubtful make room for others.
 */
export class VisitorLimits {
  readonly #places: Places<string>;
  readonly #crowded: number;
  /** What ends each flow whose peer has not spoken again after an answer, the oldest first. */
  readonly #unproven = new Set<() => void>();

  constructor(most = MAX_STREAMS) {
    this.#places = new Places(most);
    this.#crowded = most * CROWDED_SHARE;
  }

  /** Takes a place for a visitor's address, if it may have one more. Give it back with `leave`. */
  enter(host: string): boolean {
    return this.#places.enter(sourceOf(host));
  }

  leave(host: string): void {
    this.#places.leave(sourceOf(host));
  }

  /** A new flow, which `end` ends. Its peer may be a forged address; when there are too many of them, the oldest goes. */
  addUnproven(end: () => void): void {
    this.#unproven.add(end);
    const [oldest] = this.#unproven;
    if (oldest === undefined || this.#places.taken <= this.#crowded) return;
    this.#unproven.delete(oldest);
    oldest();
  }

  /** The peer of a flow is there, or the flow is over. */
  removeUnproven(end: () => void): void {
    this.#unproven.delete(end);
  }
}

function sourceOf(host: string): string {
  const address = parseAddress(host);
  return address.ok ? sourceBucket(address.value) : host;
}
