import { unbatch } from "../../../shared/wire/batch.ts";
import { TYPE, type Frame } from "../../../shared/wire/frame.ts";
import type { TokenBytes } from "../../registry/token-bytes.ts";

/** Milliseconds that bytes gather before the registry is told: off the data path, and no timer while idle. */
const REPORT_INTERVAL_MS = 1_000;
/** Tokens remembered; one that is forgotten is asked for again. */
const MAX_TOKENS = 1_000;

type Count = {
  /** Bytes that it may carry. */
  cap: number;
  /** The registry's sum, of all relays; null until it was asked. */
  sum: number | null;
  /** Counted here, and not in that sum. */
  own: number;
  over: boolean;
};

export type TokenUsageHost = {
  /** Adds to the registry's sums, and answers them in the same order. */
  tell: (told: TokenBytes[]) => Promise<number[]>;
  /** A token has carried all it may. */
  over: (jti: string) => void;
};

/**
 * What tokens with a cap on bytes carry through this relay. The registry has the sums, of all relays, so nothing is kept
 * here: who hibernates or restarts loses what it counted in the last second.
 */
export class TokenUsage {
  readonly #host: TokenUsageHost;
  readonly #counts = new Map<string, Count>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isReporting = false;

  constructor(host: TokenUsageHost) {
    this.#host = host;
  }

  /** Whether a token has carried all it may; the registry revokes it for good a moment later. */
  isOver(jti: string): boolean {
    return this.#counts.get(jti)?.over === true;
  }

  count(jti: string, cap: number, bytes: number): void {
    if (bytes === 0) return;
    const count = this.#counts.get(jti) ?? this.#begin(jti, cap);
    count.own += bytes;
    this.#checkCap(jti, count);
    // Nothing is known of a token that was not asked for yet; and one that is over may be in use elsewhere.
    this.#reportIn(count.sum === null || count.over ? 0 : REPORT_INTERVAL_MS);
  }

  #reportIn(ms: number): void {
    if (this.#isReporting || (this.#timer !== undefined && ms > 0)) return;
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#report(), ms);
  }

  #begin(jti: string, cap: number): Count {
    if (this.#counts.size >= MAX_TOKENS) {
      for (const [each, { own, over }] of this.#counts) if (own === 0 && !over) this.#counts.delete(each);
    }
    const count: Count = { cap, sum: null, own: 0, over: false };
    this.#counts.set(jti, count);
    return count;
  }

  #checkCap(jti: string, count: Count): void {
    if (count.over || (count.sum ?? 0) + count.own < count.cap) return;
    count.over = true;
    this.#host.over(jti);
  }

  async #report(): Promise<void> {
    const told = [...this.#counts].flatMap(([jti, { own }]) => (own === 0 ? [] : [{ jti, bytes: own }]));
    let sums: number[] | undefined;
    this.#timer = undefined;
    this.#isReporting = true;
    try {
      sums = await this.#host.tell(told);
    } catch {
      // Out of reach: what was counted stays here, and is judged by what is known.
    }
    this.#isReporting = false;
    for (const [at, { jti, bytes }] of told.entries()) {
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

/** Bytes of visitors and targets in a frame: those of streams, and of datagrams. */
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
