import { DATAGRAM_DEADLINE_MS } from "../../../shared/wire/limits.ts";
import type { Path } from "../../../shared/session/path.ts";

/** Backlog in bytes that is always allowed; and the upper bound for paths that deliver more within the deadline. */
const MIN_IN_FLIGHT = 256 * 1024;
const MAX_IN_FLIGHT = 1024 * 1024;
/** Bytes that each flow may still send on a congested lane until the next echo: a voice call goes on while another flow floods. */
const SHARE_BYTES = 4 * 1024;
/** Flows tracked between two echoes; datagrams of further flows are dropped. */
const MAX_FLOWS = 1_000;

/** Decides which datagrams a lane still accepts. A relay can't take back what it has queued, so it drops datagrams that would be late. */
export class DatagramFilter {
  readonly #path: Path;
  /** Bytes that each flow has sent on the congested lane since the last echo. */
  readonly #shares = new Map<string, number>();

  constructor(path: Path) {
    this.#path = path;
  }

  /** Whether the lane is congested, so that each datagram must pass `tryAccept`. `now` in milliseconds. */
  isCongested(now: number): boolean {
    return this.#path.backlog > this.#limit || this.#isLate(now);
  }

  /** Whether the congested lane accepts a datagram of this flow; counts its bytes if so. */
  tryAccept(flow: string, bytes: number, now: number): boolean {
    if (this.#isLate(now) || this.#path.backlog > 2 * this.#limit) return false;
    const share = (this.#shares.get(flow) ?? 0) + bytes;
    if (share > SHARE_BYTES || (this.#shares.size >= MAX_FLOWS && share === bytes)) return false;
    this.#shares.set(flow, share);
    return true;
  }

  /** Handles an echo: each flow gets its full share again. */
  onEcho(): void {
    this.#shares.clear();
  }

  get #limit(): number {
    return Math.max(MIN_IN_FLIGHT, Math.min(MAX_IN_FLIGHT, this.#path.rate * DATAGRAM_DEADLINE_MS));
  }

  /** Whether a datagram sent now would arrive too late, as the end has stopped reading or can't be reached. */
  #isLate(now: number): boolean {
    return this.#path.delay(now) > DATAGRAM_DEADLINE_MS;
  }
}
