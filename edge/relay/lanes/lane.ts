import { LANE_CLOSE } from "../../../shared/wire/errors.ts";
import { encodeFrame, TYPE } from "../../../shared/wire/frame.ts";
import { DEAD_MS, DEFAULT_DATA } from "../../../shared/wire/limits.ts";
import { Path } from "../../../shared/session/path.ts";
import type { IdentityBacklog, IdentityBacklogs } from "./identity-backlogs.ts";
import { opensOf, type Opens } from "../../../shared/rule/opens.ts";
import { attachmentOf, type Attachment } from "./attachment.ts";
import { DatagramFilter } from "./datagram-filter.ts";

/** Milliseconds for which a round trip that was seen says enough. Of a lane that is silent none does. */
const FRESH_MS = DEAD_MS;
/** Milliseconds between two marks where datagrams go, however few: an end that stops is to be noticed. */
const MARK_MS = 500;

/** One accepted WebSocket, and how much of what was sent on it has really arrived. */
export class Lane {
  readonly socket: WebSocket;
  attachment: Attachment;
  /** Datagrams refused because too much was on its way. */
  droppedDatagrams = 0;
  /** When a message came over it last, in milliseconds since 1970; 0: not since this instance began. */
  heardAt = 0;
  /** When it was first seen that the clock was set back since then, by the clock of today. */
  setBackAt: number | null = null;
  /** Bytes this end has added to lanes that had too much on their way already. */
  excessBytes = 0;
  #opens: Opens | undefined;
  readonly #identityBacklog: IdentityBacklog;
  /** What the account holds of this lane. */
  #counted = 0;
  #gone = false;
  /** `send()` in workerd never blocks, so what is unechoed is the only true queue length. */
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
   * What the token of a caller opens; a renewed one opens the same. Read when it is asked for: what another version has written must not
   * keep the relay from waking.
   */
  get opens(): Opens {
    this.#opens ??= opensOf(this.attachment);
    return this.#opens;
  }

  /** Calls `late` unless HELLO comes within `ms`. A timer that runs keeps the object awake, so it runs no longer than it must. */
  expectHello(ms: number, late: () => void): void {
    this.#helloTimer = setTimeout(late, ms);
  }

  /** Saves what must survive hibernation. */
  save(attachment: Attachment): void {
    if (attachment.ready !== null) clearTimeout(this.#helloTimer);
    this.attachment = attachment;
    this.socket.serializeAttachment(attachment);
  }

  /** Bytes sent and not known to have arrived. */
  get backlog(): number {
    return this.#path.backlog;
  }

  /** Bytes of the largest frame of bulk to send now; 0: none. */
  get maxFrame(): number {
    return Math.min(this.#path.maxFrame, this.attachment.ready?.frameBytes ?? DEFAULT_DATA);
  }

  /** Sends datagrams, and marks them now and then. */
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
    // Credit never allows as much: the end grants what it may not, and does not read. What waits is memory of all.
    if (this.#identityBacklog.isOverrun) this.close(LANE_CLOSE.overrun, "more is on its way than credit allows");
  }

  /** Takes an echoed MARK. One from before this instance, or one that was never sent, is ignored. `now` in milliseconds since 1970. */
  echoed(name: number, now: number): void {
    const roundTrip = this.#path.echoed(performance.now(), name);
    this.datagramFilter.echoed();
    this.#count();
    if (roundTrip !== null) {
      this.#roundTrip = { ms: roundTrip, at: now };
      for (const tell of this.#measuring.splice(0)) tell();
    }
    if (this.#due) this.#mark();
  }

  get isGone(): boolean {
    return this.#gone;
  }

  /** The socket is gone, and what was queued for it. */
  gone(): void {
    clearTimeout(this.#helloTimer);
    this.#gone = true;
    this.#count();
  }

  #count(): void {
    const held = this.#gone ? 0 : this.#path.backlog;
    this.#identityBacklog.bytes += held - this.#counted;
    this.#counted = held;
  }

  /** The last round trip that was seen, in milliseconds; null when none was. */
  get roundTripMs(): number | null {
    return this.#roundTrip?.ms ?? null;
  }

  /** Resolves when a round trip of the last half minute is known. */
  measure(now: number): Promise<void> {
    if (this.#roundTrip !== null && now - this.#roundTrip.at < FRESH_MS) return Promise.resolve();
    if (this.#measuring.length === 0 && this.socket.readyState === WebSocket.OPEN) this.#mark();
    return new Promise((resolve) => this.#measuring.push(resolve));
  }

  /** Datagrams use lane 0. */
  get #due(): boolean {
    return this.#path.isMarkDue(this.attachment.ready?.lane === 0);
  }

  #mark(): void {
    // Were it a count, an end that reads nothing could say that it has read all.
    const [high = 0, low = 0] = crypto.getRandomValues(new Uint32Array(2));
    const name = (high % 2 ** 20) * 2 ** 32 + low;
    this.#markedAt = performance.now();
    this.#path.mark(this.#markedAt, name);
    this.socket.send(encodeFrame({ type: TYPE.MARK, offset: name }));
  }

  /**
   * Closes with a reason a person can read; 123 bytes is what a close frame holds. The platform keeps the socket until its end
   * answers, which an end without a path never does: so that is kept with it, for the instance after the next hibernation.
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
