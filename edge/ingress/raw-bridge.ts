import type { SlowReader } from "../../shared/unread-limit.ts";
import { backlog } from "../backlog.ts";
import { SocketQueue } from "../relay/doors/http-held.ts";

/** Bytes from a visitor that may wait for the target. WebSockets of workerd can't be paused, so more bytes end the stream. */
const MAX_WAITING = 8 * 1024 * 1024;
/** Bytes of memory that a pending write takes besides its data. */
const WRITE_COST = 512;
const READ_BYTES = 64 * 1024;
/** Bytes that may wait for the visitor, on platforms that report how many are queued. */
const MAX_QUEUED = 1024 * 1024;
/** Milliseconds between two checks of a full queue: at first, and at most while it stays full. */
const POLL_MS = 20;
const MAX_POLL_MS = 1_000;

const CLOSE = { done: 1000, wrong: 1003, tooFast: 1009, failed: 1011, expired: 4401 } as const;

/**
 * Connects a WebSocket and a byte stream, both ways, until either ends or `until` (milliseconds since 1970). `source`: the
 * visitor's address.
 */
export function bridge(webSocket: WebSocket, socket: Socket, until: number, source: string): void {
  const pair = new Bridge(webSocket, socket, until, source);
  void pair.download();
}

class Bridge implements SlowReader {
  readonly source: string;
  readonly #webSocket: WebSocket;
  readonly #socket: Socket;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #queue: SocketQueue;
  readonly #timer: ReturnType<typeof setTimeout>;
  /** Bytes waiting for the target. */
  #waiting = 0;
  #isOver = false;

  constructor(webSocket: WebSocket, socket: Socket, until: number, source: string) {
    this.source = source;
    this.#webSocket = webSocket;
    this.#socket = socket;
    this.#writer = socket.writable.getWriter();
    this.#queue = new SocketQueue(webSocket);
    // Capped at what a timer can hold; a page that stays open longer connects again.
    const life = Math.min(until - Date.now(), 0x7fff_ffff);
    this.#timer = setTimeout(() => this.#end(CLOSE.expired, "the token has expired"), life);
    webSocket.binaryType = "arraybuffer";
    webSocket.accept();
    webSocket.addEventListener("message", ({ data }) => this.#onMessage(data as string | ArrayBuffer));
    webSocket.addEventListener("close", () => this.#onClose());
    webSocket.addEventListener("error", () => this.#onClose(CLOSE.failed));
  }

  /** Returns the bytes held for the target, and by the platform for the visitor; called by the backlog. */
  unread(): number {
    return this.#waiting + this.#queue.bytes;
  }

  /** Closes the stream, because it holds too much of the backlog's budget. */
  evict(): void {
    this.#end(CLOSE.tooFast, "more than the path can carry");
  }

  /** Passes the target's bytes to the visitor until their end. */
  async download(): Promise<void> {
    try {
      if (await this.#carry()) this.#end(CLOSE.done, "");
      else this.#end(CLOSE.failed, "the stream broke, or was never opened");
    } catch {
      this.#end(CLOSE.failed, "the stream broke");
    }
  }

  /** Returns true if all of the target's bytes were passed on. A length precedes each chunk (edge/relay/doors/socket.ts). */
  async #carry(): Promise<boolean> {
    const reader = this.#socket.readable.getReader({ mode: "byob" });
    const length = new Uint8Array(4);
    let lengthBytes = 0;
    let left = 0;
    for (;;) {
      const { value, done } = await reader.read(new Uint8Array(READ_BYTES));
      if (done || this.#isOver) return false;
      for (let at = 0; at < value.byteLength;) {
        if (left > 0) {
          const part = value.subarray(at, at + left);
          this.#webSocket.send(part);
          this.#queue.sent();
          left -= part.byteLength;
          at += part.byteLength;
          continue;
        }
        length[lengthBytes] = value[at] ?? 0;
        lengthBytes += 1;
        at += 1;
        if (lengthBytes < 4) continue;
        lengthBytes = 0;
        left = new DataView(length.buffer).getUint32(0);
        if (left === 0) return true;
      }
      backlog.note(this);
      await this.#waitForCapacity();
    }
  }

  /** Resolves when the visitor has taken enough of what was sent. */
  async #waitForCapacity(): Promise<void> {
    for (let ms = POLL_MS; !this.#isOver; ms = Math.min(MAX_POLL_MS, ms * 2)) {
      if (this.#queue.bytes <= backlog.limitFor(this, MAX_QUEUED)) return;
      await new Promise((resolve) => setTimeout(resolve, ms));
    }
  }

  #onMessage(data: string | ArrayBuffer): void {
    if (this.#isOver) return;
    if (typeof data === "string") return this.#end(CLOSE.wrong, "binary messages only");
    const cost = data.byteLength + WRITE_COST;
    this.#waiting += cost;
    if (this.#waiting > MAX_WAITING) return this.#end(CLOSE.tooFast, "more than the target accepts");
    this.#writer.write(new Uint8Array(data)).then(
      () => (this.#waiting -= cost),
      () => this.#end(CLOSE.failed, "the stream broke"),
    );
    backlog.note(this);
  }

  /**
   * Handles the end of the visitor's connection. A WebSocket has no half-close: the target gets all bytes, and its own are no
   * longer read.
   */
  #onClose(code: number = CLOSE.done): void {
    if (!this.#isOver && code === CLOSE.done) void this.#writer.close().catch(() => {});
    this.#end(code, "");
    backlog.remove(this);
  }

  #end(code: number, reason: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    try {
      this.#webSocket.close(code, reason);
    } catch {
      // Already closed by the other end.
    }
    void this.#writer.abort(new Error(reason)).catch(() => {});
    void this.#socket.close().catch(() => {});
    this.#waiting = 0;
    // Bytes that the platform keeps for a visitor that does not read count until the connection has ended.
    if (this.#queue.bytes === 0) backlog.remove(this);
    else backlog.note(this);
  }
}
