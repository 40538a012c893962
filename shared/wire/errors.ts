// There are two levels of error: one ends a stream, the other a session with all its streams.
// The codes are a contract (docs/protocol.md section 8); the messages may change.

/** Codes for refusing or resetting a stream, and whether the same request may succeed later unchanged. */
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

/** Reads a code from the wire; an unknown one becomes `internal`. */
export function streamCode(word: string): StreamCode {
  return Object.hasOwn(STREAM_CODES, word) ? (word as StreamCode) : "internal";
}

/** Why a stream ended other than by FIN in both directions. */
export type Failure = { code: StreamCode; reason: string };

export type SessionCode = "protocol" | "flow-control" | "idle" | "done";

/** An error that ends the whole session: the far end broke the protocol or exceeded a limit or window. */
export class SessionError extends Error {
  readonly code: SessionCode;

  constructor(code: SessionCode, message: string) {
    super(message);
    this.name = "SessionError";
    this.code = code;
  }
}

/** Close codes of a lane (docs/protocol.md section 8). */
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
