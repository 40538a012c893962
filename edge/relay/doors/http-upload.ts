import { SessionError } from "../../../shared/wire/errors.ts";
import { HEADROOM } from "../../../shared/wire/frame.ts";
import { headerOf, type RequestHead } from "../../../shared/http/head.ts";
import { BODY_IDLE_MS } from "../../../shared/http/limits.ts";
import { MAX_PIECE, RECORD, RECORD_HEADER, recordChunks, writeRecordHeader } from "../../../shared/http/record.ts";
import type { Stream } from "../../../shared/session/stream.ts";
import type { Exchange } from "./http-exchange.ts";
import type { ByteCounts } from "../site/traffic-report.ts";

const SMALL_READ = 4 * 1024;
const LONGEST_RECORD = 0xffff_ffff;

/** Sends a visitor's body to the agent, never more than the stream has credit for, and reads none before it may. */
export async function upload(
  body: ReadableStream,
  head: RequestHead,
  exchange: Exchange,
  stream: Stream,
  tally: ByteCounts,
): Promise<void> {
  // The platform answers 100 by itself when a body is first read.
  if (headerOf(head.headers, "expect") !== undefined && !(await exchange.wanted)) return stream.finish();
  const reader = body.getReader({ mode: "byob" });
  const idle = new IdleClock(() => {
    if (!exchange.answered) stream.reset("visitor-gone", `no byte of the request's body for ${BODY_IDLE_MS / 1000} s`);
  });
  try {
    await carry(reader, head, exchange, stream, tally, idle);
  } catch (error) {
    if (error instanceof SessionError) throw error;
    if (!exchange.delivered) stream.reset("visitor-gone", "the visitor broke the request off");
    else stream.reset("visitor-gone", "answered before the request's body was over");
  } finally {
    idle.stop();
    if (stream.over) await reader.cancel().catch(() => {});
  }
}

async function carry(
  reader: ReadableStreamBYOBReader,
  head: RequestHead,
  exchange: Exchange,
  stream: Stream,
  tally: ByteCounts,
  idle: IdleClock,
): Promise<void> {
  // With a known length the body is one record (or one for each 4 GiB), whose bytes need no more framing.
  let left = head.framing === "length" ? Number(headerOf(head.headers, "content-length")) : 0;
  let recordLeft = 0;
  let wanted = SMALL_READ;
  let spare: ArrayBuffer | undefined;
  for (;;) {
    await exchange.room();
    if (stream.over) return;
    const start = HEADROOM + RECORD_HEADER;
    const buffer: ArrayBuffer = spare?.byteLength === start + wanted ? spare : new ArrayBuffer(start + wanted);
    spare = undefined;
    const size = Math.max(1, Math.min(wanted, stream.unusedCredit - RECORD_HEADER));
    idle.start();
    const { value, done } = await reader.read(new Uint8Array(buffer, start, size));
    idle.stop();
    if (done) break;
    const count = value.byteLength;
    tally.bytesIn += count;
    // A small read must not keep a large buffer alive until it is consumed.
    const small = count * 2 < buffer.byteLength && value.buffer.byteLength > SMALL_READ;
    const read = small ? value.buffer.slice(0, start + count) : value.buffer;
    if (small) spare = value.buffer;
    const chunk = new Uint8Array(read, 0, start + count);
    if (recordLeft > 0) {
      recordLeft -= count;
      stream.write(chunk.subarray(RECORD_HEADER));
    } else {
      const length = head.framing === "length" ? Math.max(count, Math.min(left, LONGEST_RECORD)) : count;
      writeRecordHeader(chunk, HEADROOM, RECORD.BODY, length);
      recordLeft = length - count;
      stream.write(chunk);
    }
    left -= count;
    wanted =
      count === size && count === wanted ? Math.min(MAX_PIECE, wanted * 4) : count < wanted / 4 ? SMALL_READ : wanted;
  }
  if (recordLeft > 0) throw new Error("the body is shorter than its length");
  for (const chunk of recordChunks(RECORD.END, new Uint8Array(0))) stream.write(chunk);
  stream.finish();
}

/** One timer for all reads of a body; it is not set again for each of them. */
class IdleClock {
  readonly #late: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #since = 0;

  constructor(late: () => void) {
    this.#late = late;
  }

  start(): void {
    this.#since = Date.now();
    this.#timer ??= setTimeout(() => this.#check(), BODY_IDLE_MS);
  }

  stop(): void {
    this.#since = 0;
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #check(): void {
    this.#timer = undefined;
    if (this.#since > 0) this.#late();
  }
}
