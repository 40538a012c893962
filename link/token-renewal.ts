import type { ClaimsOf } from "../shared/rule/claims.ts";
import { decodeControl, encodeControl, Renew } from "../shared/wire/control.ts";
import { TYPE, type Frame } from "../shared/wire/frame.ts";
import { renewAt } from "../shared/rule/token-life.ts";
import type { Log } from "./log.ts";
import { readSuccessor, type RenewableKind } from "./successor.ts";

/** Milliseconds between two requests, at most and at least: an answer may get lost, or the edge be out of order. */
const MAX_PAUSE_MS = 3_600_000;
const MIN_PAUSE_MS = 1_000;
/** Milliseconds in which an answer counts: a later one is treated like one that was not asked for. */
const ANSWER_MS = 60_000;

export type TokenRenewalOptions<K extends RenewableKind> = {
  kind: K;
  /** Claims of the token in use. */
  claims: () => ClaimsOf<K>;
  /** Uses a renewed token from now on, and stores it. */
  keep: (token: string, claims: ClaimsOf<K>) => void;
  log: Log;
};

/**
 * The renewal of an agent's or a gateway's token over its lane, at two thirds of its life or when the edge says that it has expired.
 * The edge is not trusted: a token is taken only as the answer to a request of this end, and only if it grants what the present one does.
 */
export class TokenRenewal<K extends RenewableKind> {
  readonly #options: TokenRenewalOptions<K>;
  #asked = Number.NEGATIVE_INFINITY;
  #isOutstanding = false;

  constructor(options: TokenRenewalOptions<K>) {
    this.#options = options;
  }

  /** Returns the frame to send if it is time to ask. `now` in milliseconds since 1970. */
  due(now: number): Uint8Array | undefined {
    const { iat, exp } = this.#options.claims();
    const pause = Math.min(MAX_PAUSE_MS, Math.max(MIN_PAUSE_MS, ((exp - iat) * 1000) / 30));
    // A clock that was set back must not stop renewal for ever.
    const sinceAsked = Math.abs(now - this.#asked);
    if (now < renewAt({ iat, exp }) * 1000 || sinceAsked < pause) return undefined;
    return this.ask(now);
  }

  /** Returns the frame that asks for a renewed token, to which one answer counts. `now` in milliseconds since 1970. */
  ask(now: number): Uint8Array {
    this.#asked = now;
    this.#isOutstanding = true;
    return encodeControl(TYPE.RENEW, {});
  }

  /** Handles the edge's answer. If it is no valid token, the present one stays, and the log says why. */
  answered(frame: Frame, now: number): void {
    const { kind, claims, keep, log } = this.#options;
    const answer = decodeControl(frame, Renew);
    const isAsked = this.#isOutstanding && Math.abs(now - this.#asked) <= ANSWER_MS;
    this.#isOutstanding = false;
    if (!isAsked) return log("warn", "the edge answered a RENEW that was not sent: nothing is changed");
    if ("code" in answer) log("warn", "the token is not renewed", { code: answer.code, reason: answer.reason });
    if (!("token" in answer)) return;
    const present = claims();
    const next = readSuccessor(kind, present, answer.token);
    if (!next.ok)
      return log("error", "the edge sent another token than was asked for: the present one stays", {
        reason: next.error.message,
      });
    const { iss } = next.value;
    if (iss !== present.iss)
      log("warn", "the edge has another URL, dialled from the next start on unless --edge names one", { url: iss });
    keep(answer.token, next.value);
    this.#asked = Number.NEGATIVE_INFINITY;
  }
}
