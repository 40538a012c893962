/** Plain TCP and UDP peers for tests: servers to be reached, and visitors who reach them. */
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { connect, createServer, isIPv6, type AddressInfo, type Server, type Socket } from "node:net";

export interface Peer extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
}

export type TcpPeer = Peer & { readonly server: Server };
export type UdpPeer = Peer & { readonly socket: UdpSocket };

/** A TCP server; by default it gives back what it gets. */
export async function tcpServer(
  host: string,
  port = 0,
  serve = (socket: Socket): void => void socket.pipe(socket),
): Promise<TcpPeer> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
    serve(socket);
  });
  server.listen(port, host);
  await once(server, "listening");
  return {
    host,
    port: (server.address() as AddressInfo).port,
    server,
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, "close");
    },
  };
}

/** A UDP server; by default it gives back what it gets. */
export async function udpServer(host: string, port = 0, serve?: (socket: UdpSocket) => void): Promise<UdpPeer> {
  const socket = createSocket({ type: isIPv6(host) ? "udp6" : "udp4", recvBufferSize: 1 << 20 });
  socket.on("error", () => undefined);
  if (serve !== undefined) serve(socket);
  else socket.on("message", (bytes, peer) => socket.send(bytes, peer.port, peer.address));
  socket.bind(port, host);
  await once(socket, "listening");
  return {
    host,
    port: socket.address().port,
    socket,
    async [Symbol.asyncDispose]() {
      socket.close();
      await once(socket, "close");
    },
  };
}

/** Connects, says `text` and the end of it, and answers all that comes back. Rejects on a reset. */
export async function ask(host: string, port: number, text: string, from?: string): Promise<string> {
  const socket = connect({ host, port, allowHalfOpen: true, ...(from === undefined ? {} : { localAddress: from }) });
  socket.end(text);
  let answer = "";
  for await (const chunk of socket.setEncoding("utf8")) answer += String(chunk);
  return answer;
}

/** A UDP visitor: one socket, and what comes back to it. */
export class UdpVisitor implements AsyncDisposable {
  readonly socket: UdpSocket;
  readonly received: Buffer[] = [];
  readonly #to: { host: string; port: number };
  #changed = Promise.withResolvers<void>();

  constructor(to: { host: string; port: number }, from?: string) {
    this.#to = to;
    this.socket = createSocket({ type: isIPv6(to.host) ? "udp6" : "udp4", recvBufferSize: 1 << 20 });
    this.socket.on("error", () => undefined);
    this.socket.on("message", (bytes) => {
      this.received.push(bytes);
      this.#changed.resolve();
      this.#changed = Promise.withResolvers();
    });
    if (from !== undefined) this.socket.bind(0, from);
  }

  send(bytes: string | Uint8Array): void {
    this.socket.send(bytes, this.#to.port, this.#to.host);
  }

  /** Resolves when so many datagrams have come. */
  async count(wanted: number): Promise<Buffer[]> {
    while (this.received.length < wanted) await this.#changed.promise;
    return this.received;
  }

  /** Says it, again every 200 ms as UDP's users do, until an answer comes; `wanted`: until such an answer does. */
  async ask(bytes: string | Uint8Array, wanted: (answer: Buffer) => boolean = () => true): Promise<Buffer> {
    let looked = this.received.length;
    this.send(bytes);
    const again = setInterval(() => this.send(bytes), 200);
    try {
      for (;;) {
        await this.count(looked + 1);
        const answer = this.received[looked] as Buffer;
        if (wanted(answer)) return answer;
        looked += 1;
      }
    } finally {
      clearInterval(again);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.close();
    await once(this.socket, "close");
  }
}
