// Every limit of docs/protocol.md section 9: its name, its unit, and why it is what it is.

const KIB = 1024;
const MIB = 1024 * KIB;

/** Bytes in one DATA frame at most: a message costs a relay far more than its bytes, so a fast path has large ones. */
export const MAX_DATA = 256 * KIB;

/** Bytes in one DATA frame of a path that is not known to be fast: small enough that a voice packet waits for one only. */
export const DEFAULT_DATA = 64 * KIB;

/** Bytes of a JSON control payload (HELLO, ROUTES, …): more than any honest page, less than a relay would notice. */
export const MAX_CONTROL = 64 * KIB;

/** Bytes of one WebSocket message: header, acknowledgement, the largest payload, and a little for BATCH entries. */
export const MAX_FRAME = 28 + MAX_DATA + 64;

/** Bytes a caller may send before ACCEPT: one first flight (RFC 6928), and all that a slow dial can make an agent hold. */
export const INITIAL_CREDIT = 16 * KIB;

/** Bytes a receiver grants a stream at first, once it is answered. */
export const STREAM_WINDOW = 256 * KIB;

/** Bytes a stream window may grow to when the bandwidth-delay product asks for it. */
export const MAX_STREAM_WINDOW = 16 * MIB;

/** Bytes granted to a stream however crowded its session is: under this, per-frame cost dominates. */
export const MIN_STREAM_WINDOW = 8 * KIB;

/** Charge a session may have outstanding before its window is told: the least share of a relay's budget. */
export const INITIAL_WINDOW = 64 * KIB;

/** Charge of one frame beside its bytes: measured cost of a small frame queued in a stopped relay. */
export const FRAME_CHARGE = 2 * KIB;

/** Frames of one stream that may be outstanding before small writes are gathered into larger frames. */
export const MAX_SMALL_FRAMES = 64;

/** Bytes that all ends together may have queued in one relay: MAX_STREAM_WINDOW for who needs it, a little for all others; an isolate has 128 MiB for everything. */
export const RELAY_BUDGET = 20 * MIB;

/** Bytes of budget under which an end is refused rather than served badly. */
export const MIN_BUDGET = 64 * KIB;

/** Live streams of one session: bounds what an end must remember. */
export const MAX_STREAMS = 16_384;

/** OPENs per second and in one burst: bounds work that is opened and dropped at once (rapid reset). */
export const OPENS_PER_SECOND = 5_000;
export const OPEN_BURST = 10_000;

/** Dials an agent has in flight: each holds a socket and up to INITIAL_CREDIT of waiting bytes. A mapping has no more of them than are left free. */
export const DIALS_IN_FLIGHT = 512;

/** Reset streams a session remembers so that their late frames are dropped silently. */
export const REMEMBERED_RESETS = 256;

/** Lanes of one end. */
export const MAX_LANES = 16;

/** HELLOs of one identity, per second and at once: each moves a counter in a relay's storage. A site's lanes all come back at once. */
export const HELLOS_PER_SECOND = 20;
export const HELLO_BURST = 512;

/** Milliseconds from the upgrade to HELLO; and what a relay waits: when many come at once, what was said in time is heard late. */
export const HELLO_TIMEOUT_MS = 5_000;
export const HELLO_PATIENCE_MS = 3 * HELLO_TIMEOUT_MS;

/** Milliseconds a datagram may wait, wherever that is: older voice is worse than none. */
export const DATAGRAM_DEADLINE_MS = 100;

/** Milliseconds a dial to a target may take. */
export const DIAL_TIMEOUT_MS = 10_000;

/** Milliseconds between pings of a quiet lane, and without any message until it is dead. */
export const PING_MS = 10_000;
export const DEAD_MS = 25_000;

/** The same while bytes wait: a dead path must be found before people give up. */
export const BUSY_PING_MS = 2_000;
export const BUSY_DEAD_MS = 10_000;

/** Milliseconds a ping may go unanswered until a replacement of its lane is dialled. */
export const SUSPECT_MS = 3_000;

/** Milliseconds a consumed byte may stay unreported. */
export const REPORT_MS = 1_000;

/** Milliseconds that a reader must have been stalled before its stream is ended for the room it holds. */
export const STALLED_MS = 15_000;

/** Milliseconds open streams may finish in after GOAWAY or SIGTERM. */
export const DRAIN_MS = 30_000;

/** Milliseconds without RESUMED until a caller asks again. */
export const RESUME_MS = 5_000;

/** Milliseconds between two NUDGEs by which an agent answers frames of one session. */
export const NUDGE_MS = 1_000;

/**
 * Milliseconds that a connection may be quiet of which one side has said that it has no more: the other side is often gone
 * without a word. Routers forget such a connection after two minutes (nf_conntrack_tcp_timeout_fin_wait), yamux after five.
 */
export const HALF_CLOSED_MS = 300_000;

/** RESUMEs an agent answers of one session, per second and at once: each costs proofs and sends again all that is not consumed. */
export const RESUMES_PER_SECOND = 10;
export const RESUME_BURST = 100;

/** Times what was sent that a far end may ASK to be sent again, and bytes it may ask for in any case: lanes lose nothing by themselves. */
export const MAX_ASKED = 8;
export const MIN_ASKED = 1 * MIB;

/** Milliseconds a session outlives its last lane, when the edge says nothing else; and the most that it may say. */
export const GRACE_MS = 60_000;
export const MAX_GRACE_MS = 600_000;
