import type { Claims } from "../shared/claims.ts";
import { decodeControl, encodeControl, Renew } from "../shared/control.ts";
import { TYPE, type Frame } from "../shared/frame.ts";
import { renewAt } from "../shared/token-life.ts";
import type { Log } from "./log.ts";

/** Milliseconds between two requests at most: an answer may get lost, an edge be out of order. */
const LONGEST_PAUSE_MS = 3_600_000;
const SHORTEST_PAUSE_MS = 1_000;

export type TokenRenewalOptions = {
  /** Claims of the token in use. */
  claims: () => Pick<Claims, "iat" | "exp">;
  /** Takes a renewed token into use, and keeps it. Throws if it is not one of ours. */
  keep: (token: string) => void;
  log: Log;
};

/** Renews the token of an agent or a gateway at two thirds of its life, over its lane. */
export class TokenRenewal {
  readonly #options: TokenRenewalOptions;
  #asked = Number.NEGATIVE_INFINITY;

  constructor(options: TokenRenewalOptions) {
    this.#options = options;
  }

  /** The frame to send now, if it is time to ask. `now` in milliseconds since 1970. */
  due(now: number): Uint8Array | undefined {
    const { iat, exp } = this.#options.claims();
    const pause = Math.min(LONGEST_PAUSE_MS, Math.max(SHORTEST_PAUSE_MS, ((exp - iat) * 1000) / 30));
    // A clock that was set back must not silence us for ever.
    const sinceAsked = Math.abs(now - this.#asked);
    if (now < renewAt({ iat, exp }) * 1000 || sinceAsked < pause) return undefined;
    this.#asked = now;
    return encodeControl(TYPE.RENEW, {});
  }

  /** Takes the edge's answer. */
  answered(frame: Frame): void {
    const { log, keep } = this.#options;
    const answer = decodeControl(frame, Renew);
    if ("token" in answer) {
      try {
        keep(answer.token);
        this.#asked = Number.NEGATIVE_INFINITY;
      } catch (error) {
        log("error", "the edge sent a token that is of no use", {
          reason: error instanceof Error ? error.message : String(error),
        });
      }
    } else if ("code" in answer) {
      log("warn", "the token is not renewed", { code: answer.code, reason: answer.reason });
    }
  }
}
