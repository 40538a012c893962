// Limits of HTTP streams (docs/protocol.md section 9).

/** Bytes of a head: what targets commonly take (Node 16 KiB, nginx 32 KiB), and a few times what honest visitors send. */
export const MAX_HEAD = 32 * 1024;

/** Headers of a head: an honest browser sends about 20. */
export const MAX_HEADERS = 200;

/** Bytes of path and query: beyond it nearly every target answers 414. */
export const MAX_PATH = 16 * 1024;

/** Bytes of one WebSocket message: workerd's own limit. */
export const MAX_MESSAGE = 32 * 1024 * 1024;

/** Bytes of messages that may wait in one WebSocket stream: the platform can't make a sender wait, so it is ended. */
export const MAX_WAITING = MAX_MESSAGE + 1024 * 1024;

/** Interim answers (1xx) of one response: an endless flood of them is no answer. */
export const MAX_INTERIM = 32;

/** Milliseconds a visitor may take between two pieces of a request body that nothing has been answered to. */
export const BODY_IDLE_MS = 60_000;

/** Milliseconds a target may keep an expectation (100-continue) unanswered until the visitor is asked to go on. */
export const CONTINUE_MS = 1_000;
