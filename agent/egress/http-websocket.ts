import type http from "node:http";
import { WebSocket } from "ws";
import { SessionError } from "../../shared/errors.ts";
import type { RequestHead } from "../../shared/http-head.ts";
import { MAX_MESSAGE } from "../../shared/http-limits.ts";
import { RECORD, recordChunks, type RecordKind } from "../../shared/http-record.ts";
import type { Stream } from "../../shared/stream.ts";
import type { Conversation } from "./http-conversation.ts";
import { errorOf, fail } from "./http-fault.ts";
import type { Way } from "./http-pools.ts";
import { headersFor, MAX_RESPONSE_HEAD, pathFor } from "./http-request.ts";
import type { HttpAnswer } from "./http-response.ts";
import type { RecordWriter } from "./http-writer.ts";

type Socketlike = Parameters<Parameters<http.ClientRequest["on"]>[1]>[0];

export type WebSocketParts = {
  stream: Stream;
  head: RequestHead;
  way: Way;
  writer: RecordWriter;
  answer: HttpAnswer;
  accept: (socket: Socketlike) => void;
};

/** Asks the target for a WebSocket. Whatever it answers is what the visitor hears: 101 with its headers, or its refusal. */
export function serveWebSocket({ stream, head, way, writer, answer, accept }: WebSocketParts): {
  conversation: Conversation;
  abandon: () => void;
} {
  const offered = offeredProtocols(head);
  const socket = new WebSocket(`ws://target.invalid/`, offered, {
    agent: way.pool,
    headers: objectOf(headersFor(head, way).filter((_, at, all) => all[at - (at % 2)] !== "sec-websocket-protocol")),
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE,
    followRedirects: false,
    maxHeaderSize: MAX_RESPONSE_HEAD,
    finishRequest: (request) => {
      // A URL would not leave the path as it is.
      request.path = pathFor(head, way);
      request.on("socket", accept);
      request.end();
    },
  });
  let closing = false;
  let isRefused = false;

  socket.on("upgrade", (response) => {
    answer.begin(101, response.statusMessage ?? "", response.rawHeaders);
    writer.flush();
    // A server may choose none of what was offered; what to make of that is for the visitor to say.
    if (offered.length > 0) response.headers["sec-websocket-protocol"] ??= offered[0];
  });
  socket.on("unexpected-response", (request, response) => {
    isRefused = true;
    answer.respond(response, request);
  });
  socket.on("error", (error) => {
    if (stream.over || answer.done) return;
    const failure = errorOf(error, way.pool.authority);
    fail(
      stream,
      failure.code === "target-reset" && socket.readyState === WebSocket.CONNECTING
        ? { code: "target-protocol", reason: error.message }
        : failure,
    );
  });

  const write = (kind: RecordKind, payload: Uint8Array): void => {
    for (const chunk of recordChunks(kind, payload)) stream.write(chunk);
    if (!stream.hungry) socket.pause();
  };
  socket.on("message", (data, isBinary) => write(isBinary ? RECORD.BINARY : RECORD.TEXT, data as Buffer));
  socket.on("close", (code, reason) => {
    if (stream.over || answer.done) return;
    if (code !== 1006) write(RECORD.CLOSE, closePayload(code, reason));
    answer.done = true;
    stream.finish();
  });

  return {
    abandon: () => socket.terminate(),
    conversation: {
      body: () => {
        throw new SessionError("protocol", "a body in a WebSocket");
      },
      record: (kind, payload, owed) => {
        switch (kind) {
          case RECORD.TEXT:
          case RECORD.BINARY:
            socket.send(payload, { binary: kind === RECORD.BINARY }, (error) => {
              if (error === undefined || error === null) stream.consumed(owed);
            });
            return;
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

/** As Node's setHeader wants them; doubled names become lists. */
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
