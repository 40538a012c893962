import { unbatch } from "../../../shared/wire/batch.ts";
import { TYPE, type Frame } from "../../../shared/wire/frame.ts";
import type { TokenBytes } from "../../registry/token-bytes.ts";

/** Milliseconds between two reports to the registry: off the data path, and with no timer while idle. */
const REPORT_INTERVAL_MS = 1_000;
/** Tokens tracked; the sum of one that was dropped is fetched from the registry again. */
const MAX_TOKENS = 1_000;

type Count = {
  /** Bytes that the token may carry. */
  cap: number;
  /** The registry's sum over all relays; null until the first report. */
  sum: number | null;
  /** Bytes counted here that are not in that sum yet. */
  own: number;
  isOver: boolean;
};

export type TokenUsageHost = {
  /** Adds to the registry's sums, and returns the new sums in the same order. */
  report: (bytes: TokenBytes[]) => Promise<number[]>;
  /** Called once when a token has used up its byte limit. */
  exhausted: (jti: string) => void;
};

/**
 * Bytes that tokens with a byte limit carry through this relay. The registry keeps the sums over all relays, and nothing is stored
 * here: a relay that hibernates or restarts loses the count of the last second.
 */
export class TokenUsage {
  readonly #host: TokenUsageHost;
  readonly #counts = new Map<string, Count>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isReporting = false;

  constructor(host: TokenUsageHost) {
    this.#host = host;
  }

  /** Whether a token has used up its byte limit. The registry revokes it a moment later. */
  isOver(jti: string): boolean {
    return this.#counts.get(jti)?.isOver === true;
  }

  count(jti: string, cap: number, bytes: number): void {
    if (bytes === 0) return;
    const count = this.#counts.get(jti) ?? this.#begin(jti, cap);
    count.own += bytes;
    this.#checkCap(jti, count);
    // Report at once when the sum is unknown, or when the token is over its limit, as other relays may still carry for it.
    this.#reportIn(count.sum === null || count.isOver ? 0 : REPORT_INTERVAL_MS);
  }

  #reportIn(ms: number): void {
    if (this.#isReporting || (this.#timer !== undefined && ms > 0)) return;
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#report(), ms);
  }

  #begin(jti: string, cap: number): Count {
    if (this.#counts.size >= MAX_TOKENS) {
      for (const [each, { own, isOver }] of this.#counts) if (own === 0 && !isOver) this.#counts.delete(each);
    }
    const count: Count = { cap, sum: null, own: 0, isOver: false };
    this.#counts.set(jti, count);
    return count;
  }

  #checkCap(jti: string, count: Count): void {
    if (count.isOver || (count.sum ?? 0) + count.own < count.cap) return;
    count.isOver = true;
    this.#host.exhausted(jti);
  }

  async #report(): Promise<void> {
    const unreported = [...this.#counts].flatMap(([jti, { own }]) => (own === 0 ? [] : [{ jti, bytes: own }]));
    let sums: number[] | undefined;
    this.#timer = undefined;
    this.#isReporting = true;
    try {
      sums = await this.#host.report(unreported);
    } catch {
      // The registry can't be reached: the counts stay here, and the limit is checked against the last known sums.
    }
    this.#isReporting = false;
    for (const [at, { jti, bytes }] of unreported.entries()) {
      const count = this.#counts.get(jti);
      const sum = sums?.[at];
      if (count === undefined || sum === undefined) continue;
      count.sum = sum;
      count.own -= bytes;
      this.#checkCap(jti, count);
    }
    if ([...this.#counts.values()].some(({ own }) => own > 0)) this.#reportIn(REPORT_INTERVAL_MS);
  }
}

/** Returns the payload bytes of streams and datagrams in a frame. */
export function payloadBytes(frame: Frame): number {
  switch (frame.type) {
    case TYPE.DATA:
    case TYPE.DGRAM:
      return frame.payload.byteLength;
    case TYPE.BATCH:
      return unbatch(frame).reduce((sum, entry) => sum + payloadBytes(entry), 0);
    default:
      return 0;
  }
}
