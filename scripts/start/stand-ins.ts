/** Small servers in place of the three of the classic table, on other loopback addresses of this machine. */
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { createServer, type Server, type Socket } from "node:net";
import type { PortTarget } from "../../shared/address/target.ts";

export interface StandIn {
  readonly host: string;
  readonly port: number;
  readonly what: string;
  /** A host of the edge that leads there, too: names under localhost are this machine everywhere. */
  readonly name?: string;
  /** What to type, given the public address. */
  readonly hint: (publicAddress: string) => string;
  readonly server: () => Server;
}

const CHUNK_BYTES = 64 * 1024;

export const STAND_INS: readonly StandIn[] = [
  {
    host: "127.2.2.101",
    port: 8080,
    what: "an echo: sends back what it gets",
    hint: (address) => `echo hello | nc -N ${address.replace(":", " ")}`,
    server: () => createServer({ allowHalfOpen: true }, (socket) => quietly(socket).pipe(socket)),
  },
  {
    host: "127.2.2.102",
    port: 8090,
    what: "a web page",
    name: "web.localhost",
    hint: (address) => `curl http://${address}/     or open it in a browser`,
    server: () =>
      createHttpServer((request, response) => {
        response.writeHead(200, { "content-type": "text/html; charset=utf-8" });
        response.end(page(request.headers.host ?? "", request.socket.localAddress ?? ""));
      }),
  },
  {
    host: "127.2.2.103",
    port: 8091,
    what: "bytes without end",
    hint: (address) => `nc ${address.replace(":", " ")} | head -c 500000000 | wc -c`,
    server: () => createServer((socket) => pour(quietly(socket))),
  },
];

export function standIn(target: PortTarget): StandIn | undefined {
  return STAND_INS.find(({ host, port }) => host === target.host && port === target.first);
}

/** Starts it. Throws Node's error when the address can't be had. */
export async function startStandIn({ host, port, server }: StandIn): Promise<void> {
  const listening = server().listen(port, host);
  await once(listening, "listening");
}

/** Visitors come and go as they like. */
function quietly(socket: Socket): Socket {
  return socket.on("error", () => socket.destroy());
}

function pour(socket: Socket): void {
  const chunk = Buffer.alloc(CHUNK_BYTES, "sallyport ");
  const fill = (): void => {
    while (socket.writable && socket.write(chunk));
  };
  socket.on("drain", fill).resume();
  fill();
}

function page(publicAddress: string, privateAddress: string): string {
  return `<!doctype html>
<title>Behind the sally port</title>
<style>body { font: 18px/1.5 system-ui; max-width: 36em; margin: 4em auto; padding: 0 1em }</style>
<h1>It works</h1>
<p>You asked <b>${escapeHtml(publicAddress)}</b>. This page comes from a private server at <b>${escapeHtml(privateAddress)}</b>:
your bytes went through the edge, down a WebSocket that the agent had dialled out, and to this server.</p>
`;
}

function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
