import { encodeFrame, TYPE } from "../../shared/frame.ts";
import { MARK_EVERY } from "../../shared/limits.ts";
import { attachmentOf, type Attachment } from "./attachment.ts";

/** Bytes that may be on their way to an end before bulk waits. */
const ROOM_BYTES = 2 * 1024 * 1024;

/** One accepted WebSocket, and how much of what was sent on it has really arrived. */
export class Lane {
  readonly socket: WebSocket;
  attachment: Attachment;
  /** Datagrams refused because too much was on its way. */
  droppedDatagrams = 0;
  #sent = 0;
  #marked = 0;
  #echoed = 0;

  constructor(socket: WebSocket) {
    this.socket = socket;
    this.attachment = attachmentOf(socket);
  }

  /** Saves what must survive hibernation. */
  save(attachment: Attachment): void {
    this.attachment = attachment;
    this.socket.serializeAttachment(attachment);
  }

  /** Bytes sent and not known to have arrived. `send()` in workerd never blocks, so this is the only true queue length. */
  get backlog(): number {
    return this.#sent - this.#echoed;
  }

  get room(): boolean {
    return this.backlog < ROOM_BYTES;
  }

  send(frame: Uint8Array): void {
    if (this.socket.readyState !== WebSocket.OPEN) return;
    this.socket.send(frame);
    this.#sent += frame.byteLength;
    if (this.#sent - this.#marked < MARK_EVERY) return;
    this.#marked = this.#sent;
    this.socket.send(encodeFrame({ type: TYPE.MARK, offset: this.#marked }));
  }

  /** Takes an echoed MARK. One from before this instance names more than was sent and is ignored. */
  echoed(total: number): void {
    if (total <= this.#marked && total > this.#echoed) this.#echoed = total;
  }

  /** Closes with a reason a person can read; 123 bytes is what a close frame holds. */
  close(code: number, reason: string): void {
    try {
      this.socket.close(code, new TextDecoder().decode(new TextEncoder().encode(reason).subarray(0, 120)).replace(/\ufffd+$/, ""));
    } catch {
      // Already closed by the other end.
    }
  }
}
