// The limits of docs/protocol.md section 9, each with its unit and its reason.

const KIB = 1024;
const MIB = 1024 * KIB;

/** Most bytes in one DATA frame. Fast paths use large frames, because a message costs a relay far more than its bytes. */
export const MAX_DATA = 256 * KIB;

/** Bytes in one DATA frame on a path that is not known to be fast: a voice packet waits for one such frame. */
export const DEFAULT_DATA = 64 * KIB;

/** Most bytes of a JSON control payload (HELLO, ROUTES, …): more than any honest page, and little for a relay. */
export const MAX_CONTROL = 64 * KIB;

/** Most bytes of one WebSocket message: header, acknowledgement, the largest payload, and a little for BATCH entries. */
export const MAX_FRAME = 28 + MAX_DATA + 64;

/**
 * Bytes that a caller may send before ACCEPT: one first flight (RFC 6928), and all that an agent has to hold during a slow
 * dial.
 */
export const INITIAL_CREDIT = 16 * KIB;

/** Window of a stream once it is answered, in bytes. */
export const STREAM_WINDOW = 256 * KIB;

/** Largest window of a stream, for paths with such a bandwidth-delay product, in bytes. */
export const MAX_STREAM_WINDOW = 16 * MIB;

/** Least window of a stream, however little is left of the session's, in bytes: below this, the cost of frames dominates. */
export const MIN_STREAM_WINDOW = 8 * KIB;

/** Session window before the first WINDOW or SESSION, in bytes of charge: the least share of a relay's budget. */
export const INITIAL_WINDOW = 64 * KIB;

/** Charge of one frame on top of its bytes: the measured memory of a small frame queued in a stopped relay. */
export const FRAME_CHARGE = 2 * KIB;

/** Most frames of one stream outstanding before small writes are gathered into larger frames. */
export const MAX_SMALL_FRAMES = 64;

/**
 * Bytes that all ends together may have queued in one relay: MAX_STREAM_WINDOW for one that needs it, and a little for each of
 * the others. An isolate has 128 MiB for everything.
 */
export const RELAY_BUDGET = 20 * MIB;

/** Bytes of a share below which the relay refuses an end. */
export const MIN_BUDGET = 64 * KIB;

/** Most live streams of one session: bounds the memory of an end. */
export const MAX_STREAMS = 16_384;

/** OPENs per second, and in one burst: bounds the work for streams that are opened and reset at once (rapid reset). */
export const OPENS_PER_SECOND = 5_000;
export const OPEN_BURST = 10_000;

/**
 * Most dials of an agent at once: each holds a socket and up to INITIAL_CREDIT of waiting bytes. A mapping may have no more
 * than are left free.
 */
export const DIALS_IN_FLIGHT = 512;

/** Reset streams that a session remembers, to drop their late frames silently. */
export const REMEMBERED_RESETS = 256;

/** Most lanes of one end. */
export const MAX_LANES = 16;

/**
 * HELLOs of one identity per second, and in one burst: each moves a counter in a relay's storage, and all lanes of a site come
 * back at once.
 */
export const HELLOS_PER_SECOND = 20;
export const HELLO_BURST = 512;

/**
 * Milliseconds from the upgrade to HELLO; and until a relay closes the lane: when many come at once, it reads a HELLO late
 * that was sent in time.
 */
export const HELLO_TIMEOUT_MS = 5_000;
export const HELLO_PATIENCE_MS = 3 * HELLO_TIMEOUT_MS;

/** Milliseconds that a datagram may wait, over all queues: older voice is worse than none. */
export const DATAGRAM_DEADLINE_MS = 100;

/** Milliseconds that a dial to a target may take. */
export const DIAL_TIMEOUT_MS = 10_000;

/** Milliseconds between pings of a quiet lane; and without any message until it counts as dead. */
export const PING_MS = 10_000;
export const DEAD_MS = 25_000;

/** The same while bytes wait: a dead path must be found before visitors give up. */
export const BUSY_PING_MS = 2_000;
export const BUSY_DEAD_MS = 10_000;

/** Milliseconds without an answer to a ping after which a replacement of its lane is dialled. */
export const SUSPECT_MS = 3_000;

/** Most milliseconds that a consumed byte stays unreported. */
export const REPORT_MS = 1_000;

/** Milliseconds for which a stream must have been stalled before it is ended because others need its part of the window. */
export const STALLED_MS = 15_000;

/** Milliseconds that open streams have to finish after GOAWAY or SIGTERM. */
export const DRAIN_MS = 30_000;

/** Milliseconds without RESUMED after which a caller sends RESUME again. */
export const RESUME_MS = 5_000;

/** Least milliseconds between two NUDGEs with which an agent answers frames of one session. */
export const NUDGE_MS = 1_000;

/**
 * Milliseconds that a half-closed connection may be quiet: the side that has not finished is often gone without a packet.
 * Routers forget such a connection after two minutes (nf_conntrack_tcp_timeout_fin_wait), yamux after five.
 */
export const HALF_CLOSED_MS = 300_000;

/**
 * RESUMEs of one session that an agent answers per second, and in one burst: each costs proofs, and resends everything that is
 * not consumed.
 */
export const RESUMES_PER_SECOND = 10;
export const RESUME_BURST = 100;

/**
 * Times the bytes sent that a far end may ASK for again, and bytes that it may ask for in any case: lanes lose nothing by
 * themselves.
 */
export const MAX_ASKED = 8;
export const MIN_ASKED = 1 * MIB;

/** Milliseconds that a session outlives its last lane, unless the edge sets another time; and the most that it may set. */
export const GRACE_MS = 60_000;
export const MAX_GRACE_MS = 600_000;
