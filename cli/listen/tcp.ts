import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { formatHostPort } from "../../shared/socket-address.ts";
import type { Log } from "../../link/log.ts";
import type { SiteLink } from "../../link/site-link.ts";
import { tunnel } from "./tunnel.ts";

const KEEPALIVE_MS = 30_000;

export type Where = { host: string; port: number };

/** A TCP listener whose connections go to one endpoint. `states`: whether visitors' addresses are told, as only gateways may. */
export class TcpListener implements AsyncDisposable {
  readonly endpoint: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(endpoint: string, server: Server) {
    this.endpoint = endpoint;
    this.#server = server;
  }

  /** Rejects with what `listen` fails with (EADDRINUSE, EACCES, EADDRNOTAVAIL). */
  static async open(
    link: SiteLink,
    endpoint: string,
    { host, port }: Where,
    states: boolean,
    log: Log,
  ): Promise<TcpListener> {
    const server = createServer({
      allowHalfOpen: true,
      pauseOnConnect: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEPALIVE_MS,
    });
    const listener = new TcpListener(endpoint, server);
    server.on("connection", (socket) => void listener.#serve(link, socket, states, log));
    server.listen({ host, port, ipv6Only: false });
    await once(server, "listening");
    return listener;
  }

  get at(): string {
    const address = this.#server.address();
    return address === null || typeof address === "string" ? "" : formatHostPort(address.address, address.port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.resetAndDestroy();
    await once(this.#server, "close");
  }

  async #serve(link: SiteLink, socket: Socket, states: boolean, log: Log): Promise<void> {
    // From its first moment: an error without a listener ends the process.
    socket.on("error", () => {});
    this.#sockets.add(socket);
    const { remoteAddress, remotePort } = socket;
    const visitor = remoteAddress === undefined ? "" : formatHostPort(remoteAddress, remotePort ?? 0);
    log("debug", "visitor", { endpoint: this.endpoint, visitor });
    const local = { readable: socket, writable: socket, reset: () => void socket.resetAndDestroy() };
    await tunnel(link, this.endpoint, states ? visitor : "", local, log);
    this.#sockets.delete(socket);
  }
}
