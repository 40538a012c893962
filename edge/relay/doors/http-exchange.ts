import { concat } from "../../../shared/wire/concat.ts";
import { SessionError, type Failure } from "../../../shared/wire/errors.ts";
import { decodeResponseHead, headerOf, type ResponseHead } from "../../../shared/http/head.ts";
import { RECORD, RecordReader, type RecordKind } from "../../../shared/http/record.ts";
import type { Stream } from "../../../shared/session/stream.ts";
import { errorPage, newRequestId } from "../../http-error.ts";
import { headersOf, reasonOf } from "./http-answer.ts";
import { openWebSocket, type Opened } from "./http-websocket.ts";
import type { AbortHandle } from "./websocket-aborts.ts";
import type { ByteCounts } from "../site/traffic-report.ts";

const NO_BODY: ReadonlySet<number> = new Set([101, 204, 205, 304]);

/** A request for a WebSocket: the visitor's source, as sources are counted, and what breaks the WebSocket off once it is open. */
export type Upgrade = { readonly source: string; readonly begin: () => AbortHandle };

/** One request and its answer, from the relay's side of the stream. */
export class Exchange {
  readonly response: Promise<Response>;
  /** True once the head of the answer was given to the visitor. */
  answered = false;
  /** True once all of the answer was. */
  delivered = false;
  readonly #stream: Stream;
  readonly #request: Request;
  readonly #upgrade: Upgrade | null;
  readonly #tally: ByteCounts;
  readonly #over: (failure: Failure | null, id: string) => void;
  readonly #reader: RecordReader;
  #resolve: (response: Response) => void = () => {};
  #head: ResponseHead | undefined;
  #early: Uint8Array[] = [];
  #ended = false;
  #writer: WritableStreamDefaultWriter<Uint8Array> | undefined;
  #opened: Opened | undefined;
  #roomAgain: (() => void) | undefined;
  #wanted = Promise.withResolvers<boolean>();

  constructor(
    stream: Stream,
    request: Request,
    upgrade: Upgrade | null,
    tally: ByteCounts,
    over: (failure: Failure | null, id: string) => void,
  ) {
    this.#stream = stream;
    this.#request = request;
    this.#upgrade = upgrade;
    this.#tally = tally;
    this.#over = over;
    this.response = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#reader = new RecordReader({
      record: (kind, payload, owed) => this.#record(kind, payload, owed),
      body: (bytes) => this.#body(bytes),
    });
    stream.events = {
      data: (bytes) => this.#data(bytes),
      fin: () => this.#fin(),
      writable: () => this.#roomAgain?.(),
      ended: (failure) => this.#streamEnded(failure),
    };
    request.signal.addEventListener("abort", () => stream.reset("visitor-gone", "the visitor broke the request off"));
  }

  /** Whether the target wants the body that the visitor announced: true on 100, false on a final answer. */
  get wanted(): Promise<boolean> {
    return this.#wanted.promise;
  }

  /** Resolves when more bytes are welcome, or the stream is over. */
  room(): Promise<void> {
    if (this.#stream.isWritable || this.#stream.over) return Promise.resolve();
    return new Promise((resolve) => {
      this.#roomAgain = resolve;
    });
  }

  #data(bytes: Uint8Array): void {
    try {
      const ours = this.#reader.push(bytes);
      if (ours > 0) this.#stream.consumed(ours);
      if (!this.answered && this.#head !== undefined) this.#answer(this.#head);
      if (this.#reader.bufferedBytes > 0) this.#opened?.grown();
    } catch (error) {
      if (!(error instanceof SessionError)) throw error;
      this.#stream.reset("target-protocol", error.message);
    }
  }

  #record(kind: RecordKind, payload: Uint8Array, owed: number): void {
    switch (kind) {
      case RECORD.INTERIM:
        this.#wanted.resolve(true);
        return;
      case RECORD.RESPONSE:
        if (this.#head !== undefined) throw new SessionError("protocol", "a second response head");
        this.#head = decodeResponseHead(payload);
        return;
      case RECORD.END:
        if (this.#head === undefined || this.#ended) throw new SessionError("protocol", "an end without a beginning");
        this.#ended = true;
        if (this.#writer !== undefined) this.#close(this.#writer);
        return;
      case RECORD.TEXT:
      case RECORD.BINARY:
      case RECORD.CLOSE:
        if (this.#opened === undefined && this.#head?.status === 101) this.#answer(this.#head);
        if (this.#opened === undefined) throw new SessionError("protocol", "a message without a WebSocket");
        this.#opened.message(kind, payload, owed);
        return;
      case RECORD.REQUEST:
      case RECORD.BODY:
        throw new SessionError("protocol", `record ${kind} from an agent`);
    }
  }

  #body(bytes: Uint8Array): void {
    if (this.#head === undefined || this.#ended) throw new SessionError("protocol", "a body without a head");
    this.#tally.bytesOut += bytes.byteLength;
    if (this.#writer === undefined) this.#early.push(bytes);
    else this.#pass(this.#writer, bytes);
  }

  #answer(head: ResponseHead): void {
    const { status } = head;
    const upgrade = status === 101 ? this.#upgrade : null;
    if (status < 200 ? upgrade === null : status > 599)
      throw new SessionError("protocol", `the target answered with status ${status}`);
    this.answered = true;
    this.#wanted.resolve(false);
    if (upgrade !== null) {
      const opened = openWebSocket({
        stream: this.#stream,
        head,
        tally: this.#tally,
        source: upgrade.source,
        abortHandle: upgrade.begin(),
        unfinished: () => this.#reader.bufferedBytes,
      });
      this.#opened = opened;
      this.#resolve(opened.response);
    } else {
      this.#resolve(this.#plain(head));
    }
  }

  #plain(head: ResponseHead): Response {
    // A WebSocket was asked for and refused: there is nothing more to say.
    if (this.#upgrade !== null) this.#stream.finish();
    const length = headerOf(head.headers, "content-length");
    if (length !== undefined && !/^\d{1,15}$/.test(length))
      throw new SessionError("protocol", "a Content-Length that is none");
    const { status } = head;
    const init = { status, statusText: reasonOf(head), headers: headersOf(head), encodeBody: "manual" as const };
    if (this.#request.method === "HEAD" || NO_BODY.has(status)) return new Response(null, init);
    if (this.#ended) {
      const body = concat(this.#early);
      if (length !== undefined && Number(length) !== body.byteLength)
        throw new SessionError("protocol", "a body of another length than it said");
      this.#early = [];
      this.#stream.consumed(body.byteLength);
      this.delivered = true;
      return new Response(body, init);
    }
    // Native streams: each write resolves when the visitor's connection has taken it. Their sum is checked against the length.
    const { readable, writable } =
      length === undefined ? new IdentityTransformStream() : new FixedLengthStream(Number(length));
    const writer = writable.getWriter();
    this.#writer = writer;
    // Heard of even while nothing is being written: an event stream may be silent for minutes.
    writer.closed.catch(() => this.#gone());
    for (const bytes of this.#early) this.#pass(writer, bytes);
    this.#early = [];
    return new Response(readable, init);
  }

  #pass(writer: WritableStreamDefaultWriter<Uint8Array>, bytes: Uint8Array): void {
    writer.write(bytes).then(
      () => this.#stream.consumed(bytes.byteLength),
      () => this.#gone(),
    );
  }

  #close(writer: WritableStreamDefaultWriter<Uint8Array>): void {
    writer.close().then(
      () => {
        this.delivered = true;
      },
      () => this.#gone(),
    );
  }

  #gone(): void {
    if (!this.delivered) this.#stream.reset("visitor-gone", "the visitor broke the answer off");
  }

  #fin(): void {
    if (!this.#ended && this.#opened === undefined)
      this.#stream.reset("target-reset", "the target broke the answer off");
  }

  #streamEnded(failure: Failure | null): void {
    this.#roomAgain?.();
    this.#wanted.resolve(false);
    const excused = failure !== null && this.delivered && failure.code === "visitor-gone";
    const told = excused ? null : failure;
    const id = told === null ? "" : newRequestId();
    if (!this.answered) {
      this.answered = true;
      const { code, reason } = failure ?? { code: "target-reset" as const, reason: "no answer came" };
      this.#resolve(errorPage({ request: this.#request, id, code, reason }));
    } else if (failure !== null && this.#writer !== undefined && !this.delivered) {
      // Truncates the visitor's connection: never a short success. For any other error workerd writes "Uncaught exception"
      // to its log; one that says "retryable" is a broken connection to it, which this is (measured 2026-10-23).
      const broken = Object.assign(new Error(failure.code), { retryable: true });
      void this.#writer.abort(broken).catch(() => {});
    }
    this.#over(told, id);
  }
}
