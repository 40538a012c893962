import http from "node:http";
import { SessionError, type Failure } from "../../shared/wire/errors.ts";
import { decodeRequestHead, type RequestHead } from "../../shared/http/head.ts";
import { RECORD, RecordReader } from "../../shared/http/record.ts";
import type { Dial } from "../../shared/wire/open.ts";
import { formatHostPort } from "../../shared/address/socket-address.ts";
import type { Stream } from "../../shared/session/stream.ts";
import type { TargetExchange } from "./target-exchange.ts";
import { httpFailureOf, fail } from "./http-failure.ts";
import type { HttpPools, HttpTarget } from "./http-pools.ts";
import { requestToTarget } from "./http-request.ts";
import { HttpAnswer } from "./http-response.ts";
import { serveWebSocket } from "./http-websocket.ts";
import { RecordWriter } from "./http-writer.ts";

/** Serves an HTTP stream from DIAL to its end. Calls `dialled` once the target is reached or the dial has failed. Resolves with why it ended; null: in order. */
export function serveHttp(stream: Stream, dial: Dial, pools: HttpPools, dialled: () => void): Promise<Failure | null> {
  let resolve: (failure: Failure | null) => void = () => {};
  const ended = new Promise<Failure | null>((done) => {
    resolve = done;
  });
  const httpTarget = pools.targetOf(dial);
  let exchange: TargetExchange | undefined;
  let abandon: () => void = () => {};
  let counted = true;
  const reached = (): void => {
    if (counted) dialled();
    counted = false;
  };
  const reader = new RecordReader({
    body: (bytes) => {
      if (exchange === undefined) throw new SessionError("protocol", "a body before its head");
      exchange.body(bytes);
    },
    piece: (kind, bytes, isLast) => {
      if (exchange === undefined) throw new SessionError("protocol", "a message before its head");
      exchange.piece(kind, bytes, isLast);
    },
    record: (kind, payload, owed) => {
      if (exchange !== undefined) return exchange.record(kind, payload, owed);
      if (kind !== RECORD.REQUEST || httpTarget === null) throw new SessionError("protocol", "no request head");
      ({ exchange, abandon } = beginExchange(stream, dial, decodeRequestHead(payload), httpTarget, reached));
    },
  });
  stream.events = {
    data: (bytes) => {
      try {
        const consumed = reader.push(bytes);
        if (consumed > 0) stream.consumed(consumed);
      } catch (error) {
        // A malformed record from a relay ends this stream, never the agent.
        const reason = error instanceof Error ? error.message : String(error);
        fail(stream, { code: "internal", reason });
      }
    },
    fin: () => exchange?.fin(),
    // Set here and not when there is an answer: a closure that is added to an older object survives until a full collection,
    // and with it the whole request (measured 2026-11-22: a sixth of what is allocated).
    writable: () => exchange?.writable(),
    ended: (failure) => {
      reached();
      abandon();
      resolve(failure);
    },
  };
  if (httpTarget === null)
    stream.reject(
      "target-denied",
      `${dial.target}, with the options of this DIAL, is not a target of an HTTP endpoint`,
    );
  return ended;
}

function beginExchange(
  stream: Stream,
  dial: Dial,
  head: RequestHead,
  httpTarget: HttpTarget,
  reached: () => void,
): { exchange: TargetExchange; abandon: () => void } {
  const writer = new RecordWriter(stream);
  const answer = new HttpAnswer(stream, writer, head, httpTarget, dial.target);
  const accept = (socket: {
    remoteAddress?: string | undefined;
    remotePort?: number | undefined;
    localAddress?: string | undefined;
    localPort?: number | undefined;
  }): void => {
    reached();
    stream.accept({
      target: addressOf(socket.remoteAddress, socket.remotePort),
      local: addressOf(socket.localAddress, socket.localPort),
    });
  };
  if (head.upgrade) return serveWebSocket({ stream, head, httpTarget, writer, answer, accept });
  return forwardRequest(stream, dial, head, httpTarget, answer, accept);
}

/** Sends one request to the target: well-formed, framed by the agent, exactly once. */
function forwardRequest(
  stream: Stream,
  dial: Dial,
  head: RequestHead,
  httpTarget: HttpTarget,
  answer: HttpAnswer,
  accept: (socket: http.ClientRequest["socket"] & object) => void,
): { exchange: TargetExchange; abandon: () => void } {
  let request: http.ClientRequest;
  let over = false;
  const begin = (): void => {
    request = requestToTarget(head, httpTarget);
    request.on("socket", (socket) => {
      accept(socket);
    });
    request.on("response", (response) => answer.respond(response, request));
    request.on("continue", () => answer.sendContinue());
    request.on("information", () => answer.countInterim(request));
    // The request did not ask for an upgrade: what follows would not be HTTP.
    request.on("upgrade", (_response, socket) => {
      socket.destroy();
      fail(stream, { code: "target-protocol", reason: `${dial.target} switched protocols without being asked` });
    });
    request.on("error", (error) => {
      if (stream.over || answer.done) return;
      // The target may have closed a kept-alive connection just as it was reused. A request that is safe to repeat is sent again.
      if (request.reusedSocket && !answer.begun && isRepeatable(head) && isClosed(error)) return retry();
      fail(stream, httpFailureOf(error, dial.target));
    });
  };
  let retried = 0;
  const retry = (): void => {
    if (retried++ >= 3)
      return fail(stream, { code: "target-reset", reason: `${dial.target} closes kept-alive connections` });
    begin();
    if (over) request.end();
  };
  begin();
  if (head.headers.includes("expect")) answer.scheduleContinue();
  return {
    abandon: () => {
      if (!answer.done || !request.writableFinished) request.destroy();
    },
    exchange: {
      body: (bytes) => {
        request.write(bytes, (error) => {
          if (error === undefined || error === null) stream.consumed(bytes.byteLength);
        });
      },
      record: (kind) => {
        if (kind !== RECORD.END || over) throw new SessionError("protocol", `record ${kind} in a request`);
        over = true;
        request.end();
      },
      piece: (kind) => {
        throw new SessionError("protocol", `record ${kind} in a request`);
      },
      fin: () => {
        if (over) return;
        // Without END the request is cut. If the target has answered already, it did not need the rest.
        if (answer.done) request.destroy();
        else stream.reset("visitor-gone", "the visitor broke the request off");
      },
      writable: () => answer.resume(),
    },
  };
}

function isRepeatable({ method, framing }: RequestHead): boolean {
  return framing === "none" && /^(?:GET|HEAD|OPTIONS|TRACE|PROPFIND|REPORT|SEARCH)$/.test(method);
}

function isClosed(error: NodeJS.ErrnoException): boolean {
  return error.code === "ECONNRESET" || error.code === "EPIPE";
}

function addressOf(address: string | undefined, port: number | undefined): string {
  return address === undefined ? "" : formatHostPort(address, port ?? 0);
}
