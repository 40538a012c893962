import type http from "node:http";
import {
  encodeInterimHead,
  encodeResponseHead,
  headerOf,
  sizeOfHeaders,
  type RequestHead,
} from "../../shared/http/head.ts";
import { responseHeaders } from "../../shared/http/headers.ts";
import { CONTINUE_MS, MAX_HEAD, MAX_HEADERS, MAX_INTERIM } from "../../shared/http/limits.ts";
import { RECORD } from "../../shared/http/record.ts";
import { rewriteResponse } from "../../shared/http/rewrite.ts";
import type { Stream } from "../../shared/session/stream.ts";
import type { HttpTarget } from "./http-pools.ts";
import { hostFor } from "./http-request.ts";
import type { RecordWriter } from "./http-writer.ts";

const EMPTY = new Uint8Array(0);

/** The target's answer on its way to the visitor. */
export class HttpAnswer {
  /** True once the target has answered. */
  begun = false;
  /** True once all of it is written to the stream. */
  done = false;
  readonly #stream: Stream;
  readonly #writer: RecordWriter;
  readonly #head: RequestHead;
  readonly #httpTarget: HttpTarget;
  readonly #target: string;
  #response: http.IncomingMessage | null = null;
  #interims = 0;
  #continued = false;

  constructor(stream: Stream, writer: RecordWriter, head: RequestHead, httpTarget: HttpTarget, target: string) {
    this.#stream = stream;
    this.#writer = writer;
    this.#head = head;
    this.#httpTarget = httpTarget;
    this.#target = target;
  }

  /** Sends 100 after CONTINUE_MS: the visitor waits for it, and must not wait for ever if the target never sends it. */
  scheduleContinue(): void {
    const timer = setTimeout(() => this.sendContinue(), CONTINUE_MS);
    timer.unref();
  }

  /** Sends 100 once, unless the answer has begun: the target takes the visitor's body. */
  sendContinue(): void {
    if (this.#continued || this.begun || this.#stream.over) return;
    this.#continued = true;
    this.#writer.chunk(encodeInterimHead(100));
    this.#writer.flush();
  }

  /** Counts an interim answer (102, 103), which the platform can't pass on. Resets the stream after too many. */
  countInterim(request: http.ClientRequest): void {
    this.#interims += 1;
    if (this.#interims <= MAX_INTERIM) return;
    this.#stream.reset("target-protocol", `${this.#target} sent more than ${MAX_INTERIM} interim answers`);
    request.destroy();
  }

  /** Writes the head. If it is too large, resets the stream and returns false. */
  begin(status: number, reason: string, raw: readonly string[]): boolean {
    this.begun = true;
    const carried = responseHeaders(raw, status === 101);
    const { pool, options } = this.#httpTarget;
    const headers =
      options.rewrite && needsRewriting(carried)
        ? rewriteResponse(carried, {
            target: { scheme: pool.scheme, host: hostFor(this.#head, this.#httpTarget) },
            visitor: { scheme: this.#head.scheme, host: this.#head.host },
            stripped: options.prefix,
          })
        : carried;
    if (headers.length > 2 * MAX_HEADERS || sizeOfHeaders(headers) > MAX_HEAD - 1024) {
      this.#stream.reset("target-protocol", `${this.#target} answered with more headers than can be carried`);
      return false;
    }
    this.#writer.chunk(encodeResponseHead({ status, reason, headers }));
    return true;
  }

  /** Continues to read the answer: the stream takes more. */
  resume(): void {
    this.#response?.resume();
  }

  respond(response: http.IncomingMessage, request: http.ClientRequest): void {
    const { rawHeaders, statusCode = 0, statusMessage = "" } = response;
    this.#response = response;
    response.on("error", () => this.#cut(response));
    response.on("aborted", () => this.#cut(response));
    if (!this.begin(statusCode, statusMessage, rawHeaders)) return void request.destroy();
    const stream = this.#stream;
    const length = headerOf(
      rawHeaders.map((text, at) => (at % 2 === 0 ? text.toLowerCase() : text)),
      "content-length",
    );
    let expected =
      length !== undefined && /^\d{1,10}$/.test(length) && Number(length) <= 0xffff_ffff ? Number(length) : -1;
    response.on("data", (bytes: Buffer) => {
      if (expected > 0) {
        // The whole body is one record: bulk needs no framing after its first bytes.
        this.#writer.header(RECORD.BODY, expected);
        expected = 0;
        this.#writer.bytes(bytes);
      } else if (expected === 0) {
        this.#writer.bytes(bytes);
      } else {
        this.#writer.record(RECORD.BODY, bytes);
      }
      if (!stream.isWritable) response.pause();
    });
    response.on("end", () => {
      if (!response.complete || stream.over) return this.#cut(response);
      this.done = true;
      this.#writer.record(RECORD.END, EMPTY);
      this.#writer.flush();
      stream.finish();
    });
  }

  #cut(response: http.IncomingMessage): void {
    if (this.done || (response.complete && response.readableEnded)) return;
    this.#stream.reset("target-reset", `${this.#target} broke its answer off`);
  }
}

function needsRewriting(headers: readonly string[]): boolean {
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at];
    if (name === "location" || name === "set-cookie" || name === "content-location" || name === "refresh") return true;
  }
  return false;
}
