import { LANE_CLOSE } from "../../../shared/wire/errors.ts";
import { encodeFrame, TYPE } from "../../../shared/wire/frame.ts";
import { DEAD_MS, DEFAULT_DATA } from "../../../shared/wire/limits.ts";
import { Path } from "../../../shared/session/path.ts";
import type { IdentityBacklog, IdentityBacklogs } from "./identity-backlogs.ts";
import { opensOf, type Opens } from "../../../shared/rule/opens.ts";
import { attachmentOf, type Attachment } from "./attachment.ts";
import { DatagramFilter } from "./datagram-filter.ts";

/** Milliseconds for which a measured round trip counts as recent. */
const FRESH_MS = DEAD_MS;
/** Milliseconds between two MARKs on a lane that carries datagrams, however few, so that an end that stops reading is noticed. */
const MARK_MS = 500;

/** One accepted WebSocket, and how much of what was sent on it has arrived. */
export class Lane {
  readonly socket: WebSocket;
  attachment: Attachment;
  /** Datagrams dropped because the backlog was too large. */
  droppedDatagrams = 0;
  /** When its last message came, in milliseconds since 1970; 0: none since this instance began. */
  heardAt = 0;
  /** When it was noticed that the clock was set back since `heardAt`, by the present clock; null: it was not. */
  setBackAt: number | null = null;
  /** Bytes that this caller has sent to lanes of agents whose backlog was larger than credit allows. */
  excessBytes = 0;
  #opens: Opens | undefined;
  readonly #identityBacklog: IdentityBacklog;
  /** The part of the identity's backlog that is this lane's. */
  #counted = 0;
  #isDisconnected = false;
  /** `send()` in workerd never blocks, so the bytes not yet echoed are the only true queue length. */
  readonly #path = new Path();
  readonly datagramFilter = new DatagramFilter(this.#path);
  #markedAt = 0;
  #roundTrip: { ms: number; at: number } | null = null;
  readonly #measuring: (() => void)[] = [];
  #helloTimer: ReturnType<typeof setTimeout> | null = null;

  constructor(socket: WebSocket, backlogs: IdentityBacklogs) {
    this.socket = socket;
    this.attachment = attachmentOf(socket);
    this.#identityBacklog = backlogs.of(this.attachment.identity);
  }

  /**
   * What the token of a caller opens; a renewed token opens the same. Parsed on first use, so that an attachment written by another
   * version can't keep the relay from waking.
   */
  get opens(): Opens {
    this.#opens ??= opensOf(this.attachment);
    return this.#opens;
  }

  /** Calls `late` unless HELLO comes within `ms`. `save` stops the timer, since a running timer keeps the object awake. */
  expectHello(ms: number, late: () => void): void {
    this.#helloTimer = setTimeout(late, ms);
  }

  /** Stores the attachment in the socket, where it survives hibernation. */
  save(attachment: Attachment): void {
    if (attachment.ready !== null) clearTimeout(this.#helloTimer);
    this.attachment = attachment;
    this.socket.serializeAttachment(attachment);
  }

  /** Bytes sent whose arrival is not confirmed. */
  get backlog(): number {
    return this.#path.backlog;
  }

  /** Bytes of the largest frame of bulk data to send now; 0: send none. */
  get maxFrame(): number {
    return Math.min(this.#path.maxFrame, this.attachment.ready?.frameBytes ?? DEFAULT_DATA);
  }

  /** Sends datagrams, with a MARK after them every MARK_MS. */
  sendDatagrams(frame: Uint8Array): void {
    this.send(frame);
    const isDue = performance.now() - this.#markedAt >= MARK_MS;
    if (isDue && this.socket.readyState === WebSocket.OPEN) this.#mark();
  }

  send(frame: Uint8Array): void {
    if (this.socket.readyState !== WebSocket.OPEN) return;
    this.socket.send(frame);
    this.#path.sent(frame.byteLength, performance.now());
    if (this.#due) this.#mark();
    this.#count();
    // The end grants more credit than its share and does not read; its backlog takes memory that all lanes share.
    if (this.#identityBacklog.isOverrun) this.close(LANE_CLOSE.overrun, "the backlog is larger than credit allows");
  }

  /** Handles an echoed MARK; one of an earlier instance, or one that was never sent, is ignored. `now` in milliseconds since 1970. */
  echoed(name: number, now: number): void {
    const roundTrip = this.#path.echoed(performance.now(), name);
    this.datagramFilter.onEcho();
    this.#count();
    if (roundTrip !== null) {
      this.#roundTrip = { ms: roundTrip, at: now };
      for (const resolve of this.#measuring.splice(0)) resolve();
    }
    if (this.#due) this.#mark();
  }

  get isDisconnected(): boolean {
    return this.#isDisconnected;
  }

  /** Handles the end of the socket: nothing is queued for it any longer. */
  disconnected(): void {
    clearTimeout(this.#helloTimer);
    this.#isDisconnected = true;
    this.#count();
  }

  #count(): void {
    const held = this.#isDisconnected ? 0 : this.#path.backlog;
    this.#identityBacklog.bytes += held - this.#counted;
    this.#counted = held;
  }

  /** The last measured round trip, in milliseconds; null when there is none. */
  get roundTripMs(): number | null {
    return this.#roundTrip?.ms ?? null;
  }

  /** Resolves when a recent round trip is known; sends a MARK if there is none. */
  measure(now: number): Promise<void> {
    if (this.#roundTrip !== null && now - this.#roundTrip.at < FRESH_MS) return Promise.resolve();
    if (this.#measuring.length === 0 && this.socket.readyState === WebSocket.OPEN) this.#mark();
    return new Promise((resolve) => this.#measuring.push(resolve));
  }

  /** Whether a MARK is due. Lane 0 carries the datagrams. */
  get #due(): boolean {
    return this.#path.isMarkDue(this.attachment.ready?.lane === 0);
  }

  #mark(): void {
    // Random, not a count: an end that does not read could otherwise guess the name and echo it.
    const [high = 0, low = 0] = crypto.getRandomValues(new Uint32Array(2));
    const name = (high % 2 ** 20) * 2 ** 32 + low;
    this.#markedAt = performance.now();
    this.#path.mark(this.#markedAt, name);
    this.socket.send(encodeFrame({ type: TYPE.MARK, offset: name }));
  }

  /**
   * Closes the lane with a reason for people, cut to fit the 123 bytes of a close frame. The platform keeps the socket until its end
   * answers, which an unreachable end never does, so `closed` is stored for the instance after the next hibernation.
   */
  close(code: number, reason: string): void {
    this.save({ ...this.attachment, closed: true });
    try {
      this.socket.close(
        code,
        new TextDecoder().decode(new TextEncoder().encode(reason).subarray(0, 120)).replace(/\ufffd+$/, ""),
      );
    } catch {
      // Already closed by the other end.
    }
  }
}
