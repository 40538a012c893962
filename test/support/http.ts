/** HTTP for tests: origins, and visitors and targets that speak it byte by byte. */
import { once } from "node:events";
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type RequestListener,
  type Server,
} from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { loopback } from "./net.ts";
import { tcpServer, type Peer } from "./peers.ts";

export type HttpOrigin = Peer & { readonly server: Server; readonly url: string };

/** A private HTTP server on an address that no other test has. */
export async function httpOrigin(handler: RequestListener): Promise<HttpOrigin> {
  const host = loopback();
  const server = createServer(handler).listen(0, host);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    host,
    port,
    server,
    url: `http://${host}:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

export type Answer = {
  status: number;
  reason: string;
  headers: IncomingMessage["headers"];
  rawHeaders: string[];
  body: Buffer;
  /** False when the connection broke before the body was over. */
  whole: boolean;
};

export type Asking = {
  method?: string;
  path?: string;
  headers?: Record<string, string | string[]>;
  body?: string | Uint8Array;
  /** The address it comes from. */
  from?: string;
};

/** Asks an edge for something at one of its hosts. `at` is `http://ADDRESS:PORT`; Host is `host` with that port. */
export async function askHttp(
  at: string,
  host: string,
  { method = "GET", path = "/", headers = {}, body, from }: Asking = {},
): Promise<Answer> {
  const { hostname, port } = new URL(at);
  const request = httpRequest({
    host: hostname,
    port,
    method,
    path,
    agent: false,
    headers: { host: `${host}:${port}`, ...headers },
    ...(from === undefined ? {} : { localAddress: from }),
  });
  request.end(body);
  const response = await once(request, "response").then(
    ([first]) => first as IncomingMessage,
    () => undefined,
  );
  // The connection broke before a head came.
  if (response === undefined)
    return { status: 0, reason: "", headers: {}, rawHeaders: [], body: Buffer.alloc(0), whole: false };
  const parts: Buffer[] = [];
  try {
    for await (const part of response) parts.push(part as Buffer);
  } catch {
    // A body that breaks off is what some tests are about.
  }
  const { statusCode: status = 0, statusMessage: reason = "", rawHeaders } = response;
  return {
    status,
    reason,
    headers: response.headers,
    rawHeaders,
    body: Buffer.concat(parts),
    whole: response.complete,
  };
}

/** Sends bytes as they are and answers all that comes back until the other side ends, as latin1. */
export async function rawVisit(host: string, port: number, bytes: string): Promise<string> {
  const socket = connect({ host, port });
  socket.on("error", () => undefined);
  socket.write(Buffer.from(bytes, "latin1"));
  let answer = "";
  socket.setEncoding("latin1").on("data", (text: string) => (answer += text));
  await once(socket, "close");
  return answer;
}

/** A target that writes down every byte and answers what it is told. */
export type RawTarget = Peer & {
  /** What has come on each connection so far, as latin1. */
  readonly received: string[];
  /** Set it to what to answer to each request head; a function may do anything with the socket. */
  answer: string | ((socket: Socket, nth: number) => void);
};

export async function rawTarget(): Promise<RawTarget> {
  const received: string[] = [];
  const state: { answer: RawTarget["answer"] } = { answer: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" };
  const peer = await tcpServer(loopback(), 0, (socket) => {
    const index = received.push("") - 1;
    let heads = 0;
    socket.setEncoding("latin1").on("data", (text: string) => {
      received[index] += text;
      const seen = (received[index] ?? "").split("\r\n\r\n").length - 1;
      if (seen <= heads) return;
      heads = seen;
      if (typeof state.answer === "string") socket.write(Buffer.from(state.answer, "latin1"));
      else state.answer(socket, heads);
    });
    socket.on("end", () => socket.end());
  });
  return {
    ...peer,
    received,
    get answer() {
      return state.answer;
    },
    set answer(answer) {
      state.answer = answer;
    },
    [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose](),
  };
}
