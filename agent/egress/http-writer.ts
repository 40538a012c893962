import { HEADROOM } from "../../shared/wire/frame.ts";
import { MAX_DATA } from "../../shared/wire/limits.ts";
import { RECORD_HEADER, writeRecordHeader, type RecordKind } from "../../shared/http/record.ts";
import type { Stream } from "../../shared/session/stream.ts";

const SMALL = 2 * 1024;

/** A writer of records to a stream. It gathers those of one turn of the event loop, so that a small answer leaves in one frame. */
export class RecordWriter {
  readonly #stream: Stream;
  #chunk: Buffer | null = null;
  #used = 0;
  #scheduled = false;

  constructor(stream: Stream) {
    this.#stream = stream;
  }

  record(kind: RecordKind, payload: Uint8Array): void {
    const header = this.#reserve(RECORD_HEADER, RECORD_HEADER + payload.byteLength);
    writeRecordHeader(header.chunk, header.at, kind, payload.byteLength);
    this.bytes(payload);
  }

  /** Writes the header of a record whose payload follows by `bytes`. */
  header(kind: RecordKind, length: number): void {
    const header = this.#reserve(RECORD_HEADER, RECORD_HEADER + SMALL);
    writeRecordHeader(header.chunk, header.at, kind, length);
  }

  bytes(payload: Uint8Array): void {
    let at = 0;
    while (at < payload.byteLength) {
      const { chunk, at: to } = this.#reserve(1, payload.byteLength - at);
      const count = Math.min(payload.byteLength - at, chunk.byteLength - to);
      chunk.set(at === 0 && count === payload.byteLength ? payload : payload.subarray(at, at + count), to);
      this.#used = to + count;
      at += count;
    }
    this.#schedule();
  }

  /** Writes a whole record that has HEADROOM before it, as heads do. It is copied, so that what follows goes into the same frame. */
  chunk(chunk: Uint8Array): void {
    this.bytes(chunk.subarray(HEADROOM));
  }

  /** Sends what has been gathered. */
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

  /** Finds space for at least `least` bytes; a new chunk gets `wanted` bytes, if a frame can hold them. */
  #reserve(least: number, wanted: number): { chunk: Buffer; at: number } {
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
