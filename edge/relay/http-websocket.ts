import type { ResponseHead } from "../../shared/http-head.ts";
import { MAX_MESSAGE, MAX_WAITING } from "../../shared/http-limits.ts";
import { RECORD, recordChunks, type RecordKind } from "../../shared/http-record.ts";
import type { Stream } from "../../shared/stream.ts";
import { headersOf } from "./http-answer.ts";
import { Held, queuedAt } from "./http-held.ts";
import type { Tally } from "./socket.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true });

export type Opened = { response: Response; message: (kind: RecordKind, payload: Uint8Array, owed: number) => void };

/** The visitor's end of a WebSocket whose handshake the target has accepted. Messages keep their type and their boundaries. */
export function openWebSocket(stream: Stream, head: ResponseHead, tally: Tally): Opened {
  const [client, socket] = Object.values(new WebSocketPair()) as [WebSocket, WebSocket];
  socket.accept();
  socket.binaryType = "arraybuffer";
  let closed = false;
  const held = new Held(
    () => queuedAt(socket),
    (bytes) => stream.consumed(bytes),
  );

  const send = (kind: RecordKind, payload: Uint8Array): void => {
    for (const chunk of recordChunks(kind, payload)) stream.write(chunk);
  };
  socket.addEventListener("message", ({ data }) => {
    if (stream.over) return;
    const payload = typeof data === "string" ? encoder.encode(data) : new Uint8Array(data as ArrayBuffer);
    tally.bytesIn += payload.byteLength;
    // A visitor can't be made to wait: the platform hands over whatever it sends.
    if (payload.byteLength > MAX_MESSAGE || stream.out.pendingBytes + payload.byteLength > MAX_WAITING) {
      closeWith(1013, "more than the path can carry");
      stream.reset("too-many", "the visitor sent more than the path can carry");
      return;
    }
    send(typeof data === "string" ? RECORD.TEXT : RECORD.BINARY, payload);
  });
  socket.addEventListener("close", ({ code, reason }) => {
    if (stream.over || stream.out.finishing) return;
    if (code === 1006) return stream.reset("visitor-gone", "the visitor broke the WebSocket off");
    send(RECORD.CLOSE, closePayload(code, reason));
    stream.finish();
    closeWith(code, reason);
  });
  socket.addEventListener("error", () => stream.reset("visitor-gone", "the visitor broke the WebSocket off"));

  function closeWith(code: number, reason: string): void {
    if (closed) return;
    closed = true;
    try {
      if (mayBeSent(code)) socket.close(code, reason);
      else socket.close();
    } catch {
      // Already closed by the other end.
    }
  }

  const before = stream.events;
  stream.events = {
    ...before,
    fin: () => {
      // The target is gone without a close frame; the visitor's own answer to it may still come.
      if (!closed) closeWith(1006, "");
      if (!stream.out.finishing) stream.finish();
    },
    ended: (failure) => {
      held.stop();
      if (failure !== null) closeWith(1011, failure.code);
      before.ended(failure);
    },
  };
  return {
    response: new Response(null, { status: 101, webSocket: client, headers: headersOf(head) }),
    message: (kind, payload, owed) => {
      tally.bytesOut += payload.byteLength;
      if (kind === RECORD.CLOSE) {
        const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
        closeWith(payload.byteLength >= 2 ? view.getUint16(0) : 1005, decoder.decode(payload.subarray(2)));
      } else if (!closed) {
        socket.send(kind === RECORD.TEXT ? decoder.decode(payload) : payload);
      }
      held.sent(owed);
    },
  };
}

/** 1005, 1006 and 1015 stand for what was not said. */
function mayBeSent(code: number): boolean {
  return (
    (code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006) || (code >= 3000 && code <= 4999)
  );
}

function closePayload(code: number, reason: string): Uint8Array {
  const text = encoder.encode(reason).subarray(0, 123);
  const payload = new Uint8Array(2 + text.byteLength);
  new DataView(payload.buffer).setUint16(0, code);
  payload.set(text, 2);
  return payload;
}
