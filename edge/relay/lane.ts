import { LANE_CLOSE } from "../../shared/errors.ts";
import { encodeFrame, TYPE } from "../../shared/frame.ts";
import { USUAL_DATA } from "../../shared/limits.ts";
import { Path } from "../../shared/path.ts";
import { attachmentOf, type Attachment } from "./attachment.ts";

/** Milliseconds for which a round trip that was seen says enough. */
const FRESH_MS = 30_000;

/** One accepted WebSocket, and how much of what was sent on it has really arrived. */
export class Lane {
  readonly socket: WebSocket;
  attachment: Attachment;
  /** Datagrams refused because too much was on its way. */
  droppedDatagrams = 0;
  /** `send()` in workerd never blocks, so what is unechoed is the only true queue length. */
  readonly #path = new Path();
  #roundTrip: { ms: number; at: number } | null = null;
  readonly #measuring: (() => void)[] = [];

  constructor(socket: WebSocket) {
    this.socket = socket;
    this.attachment = attachmentOf(socket);
  }

  /** Saves what must survive hibernation. */
  save(attachment: Attachment): void {
    this.attachment = attachment;
    this.socket.serializeAttachment(attachment);
  }

  /** Bytes sent and not known to have arrived. */
  get backlog(): number {
    return this.#path.backlog;
  }

  /** Bytes of the largest frame of bulk to send now; 0: none. */
  get room(): number {
    return Math.min(this.#path.room, this.attachment.ready?.frameBytes ?? USUAL_DATA);
  }

  send(frame: Uint8Array): void {
    if (this.socket.readyState !== WebSocket.OPEN) return;
    this.socket.send(frame);
    this.#path.sent(frame.byteLength);
    this.#mark();
    // Credit never allows as much: the end grants what it may not, and does not read. What waits is memory of all.
    if (this.#path.overrun) this.close(LANE_CLOSE.overrun, "more is on its way than credit allows");
  }

  /** Takes an echoed MARK. One from before this instance names a total of its own and is ignored. `now` in milliseconds since 1970. */
  echoed(total: number, now: number): void {
    const roundTrip = this.#path.echoed(performance.now(), total);
    if (roundTrip !== null) {
      this.#roundTrip = { ms: roundTrip, at: now };
      for (const tell of this.#measuring.splice(0)) tell();
    }
    this.#mark();
  }

  /** The last round trip that was seen, in milliseconds; null when none was. */
  get roundTripMs(): number | null {
    return this.#roundTrip?.ms ?? null;
  }

  /** Resolves when a round trip of the last half minute is known. */
  measure(now: number): Promise<void> {
    if (this.#roundTrip !== null && now - this.#roundTrip.at < FRESH_MS) return Promise.resolve();
    if (this.#measuring.length === 0 && this.socket.readyState === WebSocket.OPEN)
      this.socket.send(encodeFrame({ type: TYPE.MARK, offset: this.#path.mark(performance.now()) }));
    return new Promise((resolve) => this.#measuring.push(resolve));
  }

  #mark(): void {
    if (this.#path.due) this.socket.send(encodeFrame({ type: TYPE.MARK, offset: this.#path.mark(performance.now()) }));
  }

  /** Closes with a reason a person can read; 123 bytes is what a close frame holds. */
  close(code: number, reason: string): void {
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
