import { DATAGRAM_DEADLINE_MS } from "../../../shared/wire/limits.ts";
import type { Path } from "../../../shared/session/path.ts";

/** Bytes on their way to an end that always may be; and at most, where the path carries more than that in time. */
const MIN_IN_FLIGHT = 256 * 1024;
const MAX_IN_FLIGHT = 1024 * 1024;
/** Bytes that a flow may add while more are on their way, until an echo comes: calls go on beside a flow that floods. */
const SHARE_BYTES = 4 * 1024;
/** Flows that are told apart meanwhile; others find no room. */
const MAX_FLOWS = 1_000;

/** Which datagrams a lane still takes. What a relay has queued can't be taken back, so what would be late is not queued. */
export class DatagramFilter {
  readonly #path: Path;
  /** Bytes of each flow since the last echo, beyond what may be on its way. */
  readonly #shares = new Map<string, number>();

  constructor(path: Path) {
    this.#path = path;
  }

  /** Whether datagrams have to be looked at one by one. `now` in milliseconds. */
  isCongested(now: number): boolean {
    return this.#path.backlog > this.#limit || this.#isLate(now);
  }

  /** Whether a crowded lane takes one of so many bytes of this flow; counts it if so. */
  tryAccept(flow: string, bytes: number, now: number): boolean {
    if (this.#isLate(now) || this.#path.backlog > 2 * this.#limit) return false;
    const share = (this.#shares.get(flow) ?? 0) + bytes;
    if (share > SHARE_BYTES || (this.#shares.size >= MAX_FLOWS && share === bytes)) return false;
    this.#shares.set(flow, share);
    return true;
  }

  /** An echo came: there is room again, for each its share. */
  echoed(): void {
    this.#shares.clear();
  }

  get #limit(): number {
    return Math.max(MIN_IN_FLIGHT, Math.min(MAX_IN_FLIGHT, this.#path.rate * DATAGRAM_DEADLINE_MS));
  }

  /** An end that has stopped reading, or cannot be reached, reads what is sent now too late. */
  #isLate(now: number): boolean {
    return this.#path.delay(now) > DATAGRAM_DEADLINE_MS;
  }
}
