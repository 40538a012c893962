import { HEADROOM } from "../../shared/wire/frame.ts";
import { MAX_DATA } from "../../shared/wire/limits.ts";
import { RECORD_HEADER, writeRecordHeader, type RecordKind } from "../../shared/http/record.ts";
import type { Stream } from "../../shared/session/stream.ts";

const SMALL = 2 * 1024;

/** Writes records to a stream, gathering what comes in one turn of the event loop: a small answer leaves in one frame. */
export class RecordWriter {
  readonly #stream: Stream;
  #chunk: Buffer | null = null;
  #used = 0;
  #scheduled = false;

  constructor(stream: Stream) {
    this.#stream = stream;
  }

  record(kind: RecordKind, payload: Uint8Array): void {
    const header = this.#room(RECORD_HEADER, RECORD_HEADER + payload.byteLength);
    writeRecordHeader(header.chunk, header.at, kind, payload.byteLength);
    this.bytes(payload);
  }

  /** The start of a record whose bytes follow by `bytes`. */
  header(kind: RecordKind, length: number): void {
    const header = this.#room(RECORD_HEADER, RECORD_HEADER + SMALL);
    writeRecordHeader(header.chunk, header.at, kind, length);
  }

  bytes(payload: Uint8Array): void {
    let at = 0;
    while (at < payload.byteLength) {
      const { chunk, at: to } = this.#room(1, payload.byteLength - at);
      const count = Math.min(payload.byteLength - at, chunk.byteLength - to);
      chunk.set(at === 0 && count === payload.byteLength ? payload : payload.subarray(at, at + count), to);
      this.#used = to + count;
      at += count;
    }
    this.#schedule();
  }

  /** A chunk that is complete as it is: a head. It is copied, so that what follows joins it. */
  chunk(chunk: Uint8Array): void {
    this.bytes(chunk.subarray(HEADROOM));
  }

  /** Sends what has gathered. */
  flush(): void {
    const chunk = this.#chunk;
    if (chunk === null || this.#used <= HEADROOM) return;
    const used = this.#used;
    this.#chunk = null;
    // What is sent is kept until it is consumed: a small frame must not keep a large buffer.
    this.#stream.write(
      used === chunk.byteLength || used > chunk.byteLength / 2
        ? chunk.subarray(0, used)
        : Buffer.from(chunk.subarray(0, used)),
    );
  }

  /** A place for at least `least` bytes; a new chunk has room for `wanted`, as far as a frame has. */
  #room(least: number, wanted: number): { chunk: Buffer; at: number } {
    if (this.#chunk !== null && this.#chunk.byteLength - this.#used < least) this.flush();
    if (this.#chunk === null) {
      this.#chunk = Buffer.allocUnsafeSlow(HEADROOM + Math.min(MAX_DATA, Math.max(SMALL, wanted)));
      this.#used = HEADROOM;
    }
    const at = this.#used;
    if (least > 1) this.#used += least;
    return { chunk: this.#chunk, at };
  }

  #schedule(): void {
    if (this.#used - HEADROOM >= MAX_DATA) {
      this.flush();
    } else if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => {
        this.#scheduled = false;
        this.flush();
      });
    }
  }
}
