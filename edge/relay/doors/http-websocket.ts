import { Bucket } from "../../../shared/bucket.ts";
import type { SlowReader } from "../../../shared/unread-limit.ts";
import type { Failure } from "../../../shared/wire/errors.ts";
import type { ResponseHead } from "../../../shared/http/head.ts";
import { MAX_MESSAGE } from "../../../shared/http/limits.ts";
import { RECORD, recordChunks, type RecordKind } from "../../../shared/http/record.ts";
import { MAX_DATA } from "../../../shared/wire/limits.ts";
import type { Stream } from "../../../shared/session/stream.ts";
import { backlog } from "../../backlog.ts";
import { headersOf } from "./http-answer.ts";
import { Held, MOST_QUEUED, SocketQueue } from "./http-held.ts";
import type { AbortHandle } from "./websocket-aborts.ts";
import type { ByteCounts } from "../site/traffic-report.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const reasonDecoder = new TextDecoder();

/** Bytes that a chunk which waits costs beside what is in it. */
const CHUNK_COST = 512;
/** Bytes of a buffer that is worth freeing at once. */
const LARGE = 64 * 1024;
/** Messages without a byte, a second and at once: what waits of them for a visitor the platform does not tell. */
const EMPTY_PER_SECOND = 1_000;
const EMPTY_BURST = 10_000;

/** RFC 6455 section 7.4.1. */
const CLOSE = { none: 1005, broken: 1006, badText: 1007, tooLarge: 1009, failed: 1011, tooMuch: 1013 } as const;

/** A WebSocket whose handshake the target has accepted. */
export type Accepted = {
  readonly stream: Stream;
  readonly head: ResponseHead;
  readonly tally: ByteCounts;
  /** The visitor's source, as sources are counted. */
  readonly source: string;
  readonly abortHandle: AbortHandle;
  /** Bytes of a message of the target's that is not complete yet. */
  readonly unfinished: () => number;
};

export type Opened = {
  readonly response: Response;
  readonly message: (kind: RecordKind, payload: Uint8Array, owed: number) => void;
  /** More of a message that is not complete has come. */
  readonly grown: () => void;
};

/** Opens the visitor's end of a WebSocket. Messages keep their type and their boundaries. */
export function openWebSocket(accepted: Accepted): Opened {
  const [client, socket] = Object.values(new WebSocketPair()) as [WebSocket, WebSocket];
  const visitor = new WebSocketVisitor(socket, accepted);
  return {
    response: new Response(null, { status: 101, webSocket: client, headers: headersOf(accepted.head) }),
    message: (kind, payload, owed) => visitor.told(kind, payload, owed),
    grown: () => visitor.note(),
  };
}

/** The visitor's end of a WebSocket. */
class WebSocketVisitor implements SlowReader {
  readonly source: string;
  readonly #socket: WebSocket;
  readonly #stream: Stream;
  readonly #tally: ByteCounts;
  readonly #abortHandle: AbortHandle;
  readonly #unfinished: () => number;
  readonly #queue: SocketQueue;
  readonly #held: Held;
  readonly #empties = new Bucket(EMPTY_PER_SECOND, EMPTY_BURST);
  #closed = false;
  /** How the target ended it, if not in order. */
  #broken: Failure | null = null;

  constructor(socket: WebSocket, { stream, tally, source, abortHandle, unfinished }: Accepted) {
    this.source = source;
    this.#socket = socket;
    this.#stream = stream;
    this.#tally = tally;
    this.#abortHandle = abortHandle;
    this.#unfinished = unfinished;
    this.#queue = new SocketQueue(socket);
    this.#held = new Held(
      () => this.#queue.bytes,
      (bytes) => stream.consumed(bytes),
      undefined,
      () => backlog.limitFor(this, MOST_QUEUED),
    );
    stream.out.recycle = free;
    socket.accept();
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", ({ data }) => this.#said(data as string | ArrayBuffer));
    socket.addEventListener("close", ({ code, reason }) => this.#visitorClosed(code, reason));
    socket.addEventListener("error", ({ message }) => this.#visitorBroke(message));
    const before = stream.events;
    stream.events = {
      ...before,
      writable: () => {
        this.note();
        before.writable?.();
      },
      fin: () => this.#targetGone(),
      ended: (failure) => {
        this.#over(failure);
        before.ended(failure ?? this.#broken);
      },
    };
  }

  /** For the backlog: what waits for the target, in the platform for the visitor, and in a message that is not complete. */
  unread(): number {
    const { pendingBytes, pendingChunks } = this.#stream.out;
    return pendingBytes + pendingChunks * CHUNK_COST + this.#queue.bytes + this.#unfinished();
  }

  /** Has what waits now counted, which may end this one. */
  note(): void {
    if (!this.#stream.over) backlog.note(this);
  }

  /** For the backlog: what waits here is too much for all of it. */
  evict(): void {
    // What the platform keeps for a visitor that does not read is freed with the connection alone.
    if (this.#queue.bytes > 0) this.#abortHandle.now();
    this.#close(CLOSE.tooMuch, "more than the path can carry");
    for (const chunk of this.#stream.out.takePending()) free(chunk);
    this.#stream.reset("too-many", "more WebSocket messages waited than there is room for");
  }

  /** A message of the target's, or its close. */
  told(kind: RecordKind, payload: Uint8Array, owed: number): void {
    this.#tally.bytesOut += payload.byteLength;
    if (kind === RECORD.CLOSE) {
      const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
      const code = payload.byteLength >= 2 ? view.getUint16(0) : CLOSE.none;
      this.#close(code, reasonDecoder.decode(payload.subarray(2)));
    } else if (!this.#closed) {
      this.#send(kind, payload);
    }
    if (owed > 0) this.#held.sent(owed);
  }

  #send(kind: RecordKind, payload: Uint8Array): void {
    if (payload.byteLength === 0 && !this.#empties.take(performance.now()))
      return this.#refuse(CLOSE.failed, "the target sends empty messages without end");
    if (kind === RECORD.TEXT) {
      const text = textOf(payload);
      if (text === null) return this.#refuse(CLOSE.badText, "the target sent text that is no UTF-8");
      this.#socket.send(text);
    } else {
      this.#socket.send(payload);
    }
    // The platform has what it needs; one that came in a single frame has other things in its buffer.
    if (payload.byteLength > MAX_DATA) free(payload);
    this.#queue.sent();
    this.note();
  }

  /** A message of the visitor's. It can't be made to wait: the platform hands over whatever it sends. */
  #said(data: string | ArrayBuffer): void {
    if (this.#stream.over || this.#stream.finishing) return;
    const payload = typeof data === "string" ? encoder.encode(data) : new Uint8Array(data);
    this.#tally.bytesIn += payload.byteLength;
    if (payload.byteLength > MAX_MESSAGE) {
      this.#close(CLOSE.tooLarge, "a message of more than 32 MiB");
      return this.#stream.reset("visitor-gone", "the visitor sent a message of more than 32 MiB");
    }
    this.#write(typeof data === "string" ? RECORD.TEXT : RECORD.BINARY, payload);
    // It was copied.
    free(payload);
    // Asked, the stream tells when it has taken what waits.
    if (!this.#stream.isWritable) this.note();
  }

  #write(kind: RecordKind, payload: Uint8Array): void {
    for (const chunk of recordChunks(kind, payload)) this.#stream.write(chunk);
  }

  #visitorClosed(code: number, reason: string): void {
    this.#left();
    if (this.#stream.over || this.#stream.finishing) return;
    if (code === CLOSE.broken) return this.#stream.reset("visitor-gone", "the visitor broke the WebSocket off");
    this.#write(RECORD.CLOSE, closePayload(code, reason));
    this.#stream.finish();
    this.#close(code, reason);
  }

  #visitorBroke(message: string): void {
    this.#left();
    this.#stream.reset("visitor-gone", brokenBy(message));
  }

  /** The target has gone without a close. The visitor's own answer to one may still come. */
  #targetGone(): void {
    if (!this.#closed) {
      this.#broken = { code: "target-reset", reason: "the target broke the WebSocket off" };
      this.#close(CLOSE.failed, this.#broken.code);
    }
    if (!this.#stream.finishing) this.#stream.finish();
  }

  /** The target says what can't be passed on. */
  #refuse(code: number, reason: string): void {
    this.#close(code, reason);
    this.#stream.reset("target-protocol", reason);
  }

  #over(failure: Failure | null): void {
    this.#held.stop();
    if (failure !== null) this.#close(CLOSE.failed, failure.code);
    this.#abortHandle.soon();
    // What the platform still keeps for the visitor counts until the connection has ended.
    if (this.#queue.bytes === 0) backlog.remove(this);
  }

  /** The visitor's connection is over, or will be when its own close is answered. */
  #left(): void {
    backlog.remove(this);
    this.#abortHandle.soon();
  }

  #close(code: number, reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    try {
      if (mayBeSent(code)) this.#socket.close(code, reason);
      else this.#socket.close();
    } catch {
      // Already closed by the other end.
    }
  }
}

/** Frees what is not read any more: until the next collection it would take as much again. */
function free({ buffer }: Uint8Array): void {
  if (buffer.byteLength > LARGE) (buffer as ArrayBuffer).transfer(0);
}

/** Null for what is no UTF-8. */
function textOf(payload: Uint8Array): string | null {
  try {
    return decoder.decode(payload);
  } catch {
    return null;
  }
}

/** What the platform tells of a visitor who broke off, or broke the protocol. */
function brokenBy(message: string): string {
  const [, code, why] = /protocolError\.statusCode = (\d+); protocolError\.description = (.*)/s.exec(message) ?? [];
  if (code === undefined) return "the visitor broke the WebSocket off";
  return `the visitor broke the protocol of WebSockets: ${why} (${code})`;
}

/** 1005, 1006 and 1015 stand for what was not said. */
function mayBeSent(code: number): boolean {
  return (
    (code >= 1000 && code <= 1014 && code !== 1004 && code !== CLOSE.none && code !== CLOSE.broken) ||
    (code >= 3000 && code <= 4999)
  );
}

function closePayload(code: number, reason: string): Uint8Array {
  const text = encoder.encode(reason).subarray(0, 123);
  const payload = new Uint8Array(2 + text.byteLength);
  new DataView(payload.buffer).setUint16(0, code);
  payload.set(text, 2);
  return payload;
}
