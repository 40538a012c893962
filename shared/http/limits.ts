// Limits of HTTP streams (docs/protocol.md section 9).

/** Most bytes of a head: what targets commonly take (Node 16 KiB, nginx 32 KiB), and a few times what honest visitors send. */
export const MAX_HEAD = 32 * 1024;

/** Most headers of a head: an honest browser sends about 20. */
export const MAX_HEADERS = 200;

/** Most bytes of path and query: beyond it nearly every target answers 414. */
export const MAX_PATH = 16 * 1024;

/** Most bytes of one WebSocket message: workerd's own limit. */
export const MAX_MESSAGE = 32 * 1024 * 1024;

/**
 * Most bytes of messages that wait in one WebSocket stream. Beyond it the stream is ended, because the platform can't make a
 * sender wait.
 */
export const MAX_WAITING = MAX_MESSAGE + 1024 * 1024;

/** Most interim responses (1xx) before a final one. */
export const MAX_INTERIM = 32;

/** Milliseconds that a visitor may take between two pieces of a request body before the target has answered. */
export const BODY_IDLE_MS = 60_000;

/** Milliseconds without a target's answer to `Expect: 100-continue` after which the visitor gets 100 all the same. */
export const CONTINUE_MS = 1_000;
