import type http from "node:http";
import { WebSocket } from "ws";
import { UnreadLimit, type SlowReader } from "../../shared/unread-limit.ts";
import { SessionError } from "../../shared/wire/errors.ts";
import type { RequestHead } from "../../shared/http/head.ts";
import { MAX_MESSAGE, MAX_WAITING } from "../../shared/http/limits.ts";
import { RECORD, recordChunks, type RecordKind } from "../../shared/http/record.ts";
import type { Stream } from "../../shared/session/stream.ts";
import type { TargetExchange } from "./target-exchange.ts";
import { httpFailureOf, fail } from "./http-failure.ts";
import type { HttpTarget } from "./http-pools.ts";
import { headersFor, MAX_RESPONSE_HEAD, pathFor } from "./http-request.ts";
import type { HttpAnswer } from "./http-response.ts";
import type { RecordWriter } from "./http-writer.ts";

/**
 * Bytes that wait in this agent for and from WebSockets of targets: messages that are incomplete, or not taken by their visitor.
 * The agent pauses a target after each such message, so the limit only matters for a few of the largest messages at once.
 */
const backlog = new UnreadLimit(4 * MAX_WAITING);

/** Close codes for breaches of the protocol by a target, by the error code of `ws`; 1011 for any other. */
const CLOSE_CODES: Readonly<Record<string, number>> = {
  WS_ERR_INVALID_UTF8: 1007,
  WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: 1009,
};

type Socketlike = Parameters<Parameters<http.ClientRequest["on"]>[1]>[0];

export type WebSocketParts = {
  stream: Stream;
  head: RequestHead;
  httpTarget: HttpTarget;
  writer: RecordWriter;
  answer: HttpAnswer;
  accept: (socket: Socketlike) => void;
};

/** Asks the target for a WebSocket, and passes its answer to the visitor: 101 with its headers, or its refusal. */
export function serveWebSocket({ stream, head, httpTarget, writer, answer, accept }: WebSocketParts): {
  exchange: TargetExchange;
  abandon: () => void;
} {
  const offered = offeredProtocols(head);
  const socket = new WebSocket(`ws://target.invalid/`, offered, {
    agent: httpTarget.pool,
    headers: objectOf(
      headersFor(head, httpTarget).filter((_, at, all) => all[at - (at % 2)] !== "sec-websocket-protocol"),
    ),
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE,
    followRedirects: false,
    maxHeaderSize: MAX_RESPONSE_HEAD,
    finishRequest: (request) => {
      // Set here because a URL would change the path.
      request.path = pathFor(head, httpTarget);
      request.on("socket", accept);
      request.end();
    },
  });
  let closing = false;
  let isRefused = false;
  /** Bytes read from the target, and those of them up to its last complete message. */
  let read = (): number => 0;
  let complete = 0;
  const waiter: SlowReader = {
    source: httpTarget.pool.authority,
    unread: () => stream.out.pendingBytes + socket.bufferedAmount + read() - complete,
    evict: () => stream.reset("busy", "too many bytes of WebSocket messages were waiting in the agent"),
  };

  socket.on("upgrade", (response) => {
    const wire = response.socket;
    read = () => wire.bytesRead;
    complete = read();
    wire.on("data", () => backlog.note(waiter));
    answer.begin(101, response.statusMessage ?? "", response.rawHeaders);
    writer.flush();
    // A server may choose none of the offered protocols. `ws` would fail then, but this is for the visitor to decide.
    if (offered.length > 0) response.headers["sec-websocket-protocol"] ??= offered[0];
  });
  socket.on("unexpected-response", (request, response) => {
    isRefused = true;
    answer.respond(response, request);
  });
  socket.on("error", (error: NodeJS.ErrnoException) => {
    if (stream.over || answer.done) return;
    const { code = "" } = error;
    // Messages from before the breach are still on their way: a reset would overtake them.
    if (code.startsWith("WS_ERR_")) return close(CLOSE_CODES[code] ?? 1011, `target-protocol: ${error.message}`);
    const failure = httpFailureOf(error, httpTarget.pool.authority);
    fail(
      stream,
      failure.code === "target-reset" && socket.readyState === WebSocket.CONNECTING
        ? { code: "target-protocol", reason: error.message }
        : failure,
    );
  });

  const write = (kind: RecordKind, payload: Uint8Array): void => {
    for (const chunk of recordChunks(kind, payload)) stream.write(chunk);
    if (!stream.isWritable) socket.pause();
  };
  const close = (code: number, reason: string | Buffer): void => {
    write(RECORD.CLOSE, closePayload(code, Buffer.from(reason)));
    answer.done = true;
    stream.finish();
  };
  socket.on("message", (data, isBinary) => {
    if (stream.over) return;
    complete = read();
    write(isBinary ? RECORD.BINARY : RECORD.TEXT, data as Buffer);
    backlog.note(waiter);
  });
  socket.on("close", (code, reason) => {
    if (stream.over || answer.done) return;
    // 1006: the connection ended without a close frame. The stream ends without a CLOSE record, which means the same.
    if (code !== 1006) return close(code, reason);
    answer.done = true;
    stream.finish();
  });
  /** Sends a message, or a piece of one, to the target, and reports `owed` bytes of it as consumed once they are written. */
  const send = (kind: RecordKind, bytes: Uint8Array, owed: number, isLast: boolean): void => {
    socket.send(bytes, { binary: kind === RECORD.BINARY, fin: isLast }, (error) => {
      if (error === undefined || error === null) stream.consumed(owed);
    });
  };

  return {
    abandon: () => {
      socket.terminate();
      backlog.remove(waiter);
    },
    exchange: {
      body: () => {
        throw new SessionError("protocol", "a body in a WebSocket");
      },
      record: (kind, payload, owed) => {
        switch (kind) {
          case RECORD.TEXT:
          case RECORD.BINARY:
            return send(kind, payload, owed, true);
          case RECORD.CLOSE: {
            closing = true;
            const code = payload.byteLength >= 2 ? payload[0]! * 256 + payload[1]! : 1005;
            const known =
              (code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) || (code >= 3000 && code <= 4999);
            if (known) socket.close(code, Buffer.from(payload.subarray(2)));
            else socket.close();
            return;
          }
          default:
            throw new SessionError("protocol", `record ${kind} in a WebSocket`);
        }
      },
      // A large message is sent in pieces, as it comes: otherwise it would wait here until it is complete.
      piece: (kind, bytes, isLast) => send(kind, bytes, bytes.byteLength, isLast),
      fin: () => {
        if (!closing) socket.terminate();
      },
      writable: () => (isRefused ? answer.resume() : socket.resume()),
    },
  };
}

function offeredProtocols({ headers }: RequestHead): string[] {
  const offered: string[] = [];
  for (let at = 0; at < headers.length; at += 2) {
    if (headers[at] === "sec-websocket-protocol")
      offered.push(...(headers[at + 1] ?? "").split(",").map((each) => each.trim()));
  }
  return [...new Set(offered.filter((each) => /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(each)))];
}

/** Converts flat headers into an object for Node's setHeader. Repeated names become lists. */
function objectOf(flat: readonly string[]): Record<string, string | string[]> {
  const headers: Record<string, string[]> = Object.create(null) as Record<string, string[]>;
  for (let at = 0; at < flat.length; at += 2) (headers[flat[at] ?? ""] ??= []).push(flat[at + 1] ?? "");
  return Object.fromEntries(
    Object.entries(headers).map(([name, values]) => [name, values.length === 1 ? (values[0] ?? "") : values]),
  );
}

function closePayload(code: number, reason: Buffer): Uint8Array {
  return Buffer.concat([Uint8Array.of(code >> 8, code & 0xff), reason.subarray(0, 123)]);
}
