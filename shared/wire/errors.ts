// Two levels of error only: what ends one stream, and what ends a session with all of its streams.
// Codes are the contract (docs/protocol.md section 8), messages are prose.

/** Why a stream was refused or reset, and whether the same request may succeed later unchanged. */
export const STREAM_CODES = {
  "no-mapping": { retryable: false },
  denied: { retryable: false },
  expired: { retryable: false },
  "no-agent": { retryable: true },
  "slot-gone": { retryable: true },
  "target-denied": { retryable: false },
  "target-refused": { retryable: true },
  "target-unreachable": { retryable: true },
  "target-timeout": { retryable: true },
  "target-unresolved": { retryable: true },
  "target-reset": { retryable: true },
  "target-tls": { retryable: false },
  "target-protocol": { retryable: false },
  "visitor-gone": { retryable: true },
  "too-many": { retryable: true },
  busy: { retryable: true },
  lost: { retryable: true },
  cut: { retryable: false },
  unknown: { retryable: true },
  loop: { retryable: false },
  internal: { retryable: true },
} as const satisfies Record<string, { retryable: boolean }>;

export type StreamCode = keyof typeof STREAM_CODES;

/** A code from the wire: one we don't know is `internal`. */
export function streamCode(word: string): StreamCode {
  return Object.hasOwn(STREAM_CODES, word) ? (word as StreamCode) : "internal";
}

/** How a stream ended other than by all bytes and FIN. */
export type Failure = { code: StreamCode; reason: string };

export type SessionCode = "protocol" | "flow-control" | "idle" | "done";

/** Ends the whole session: the far end broke the protocol or its credit. */
export class SessionError extends Error {
  readonly code: SessionCode;

  constructor(code: SessionCode, message: string) {
    super(message);
    this.name = "SessionError";
    this.code = code;
  }
}

/** Why a relay closed a lane (docs/protocol.md section 8). */
export const LANE_CLOSE = {
  internal: 1011,
  protocol: 4400,
  token: 4401,
  forbidden: 4403,
  helloTimeout: 4408,
  replaced: 4409,
  superseded: 4410,
  overrun: 4413,
  incompatible: 4426,
  busy: 4429,
  draining: 4503,
  silent: 4504,
} as const;
