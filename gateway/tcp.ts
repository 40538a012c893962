import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import type { Failure } from "../shared/wire/errors.ts";
import { formatHostPort, splitHostPort } from "../shared/address/socket-address.ts";
import type { Log } from "../link/log.ts";
import type { SiteLink } from "../link/site-link.ts";
import { visitorBehind } from "./balancer.ts";
import type { Counts } from "./counts.ts";
import { logStreamEnd, tunnel } from "./tunnel.ts";
import type { VisitorLimits } from "./visitor-limits.ts";

const KEEPALIVE_MS = 30_000;

export type LocalAddress = { host: string; port: number };

export type TcpOptions = {
  /** Whether OPEN contains the visitor's address, which only gateways may send. */
  sendsVisitors: boolean;
  /** Tells whether an address is that of a balancer, which names its visitors in PROXY protocol headers. */
  isBalancer: (address: string) => boolean;
  counts: Counts;
};

/** The limits that the listeners of one site share; null for a client. */
export type SiteLimits = { visitors: VisitorLimits | null };

/** A TCP listener whose connections go to one endpoint. */
export class TcpListener implements AsyncDisposable {
  readonly endpoint: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(endpoint: string, server: Server) {
    this.endpoint = endpoint;
    this.#server = server;
  }

  /** Opens a listener. Rejects with the error of `listen` (EADDRINUSE, EACCES, EADDRNOTAVAIL). */
  static async open(
    link: SiteLink,
    endpoint: string,
    { host, port }: LocalAddress,
    options: TcpOptions & SiteLimits,
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
    server.on("connection", (socket) => void listener.#serve(link, socket, options, log));
    server.listen({ host, port, exclusive: true });
    await once(server, "listening");
    server.on("error", (error) => log("warn", "a TCP port failed", { endpoint, reason: error.message }));
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

  async #serve(
    link: SiteLink,
    socket: Socket,
    { sendsVisitors, isBalancer, counts, visitors }: TcpOptions & SiteLimits,
    log: Log,
  ): Promise<void> {
    // First of all: an error without a listener ends the process.
    socket.on("error", () => {});
    this.#sockets.add(socket);
    const { endpoint } = this;
    const { remoteAddress = "", remotePort = 0 } = socket;
    const peer = formatHostPort(remoteAddress, remotePort);
    const visitor = isBalancer(remoteAddress) ? await visitorBehind(socket) : peer;
    if (visitor === undefined) {
      log("info", "a balancer sent no PROXY protocol header", { endpoint, balancer: peer });
      socket.resetAndDestroy();
    } else if (visitors?.enter(hostOf(visitor)) === false) {
      const failure: Failure = {
        code: "too-many",
        reason: "its source address already has as many streams as are left for all others",
      };
      const traffic = counts.begin("tcp");
      counts.end(traffic, failure);
      logStreamEnd(log, endpoint, visitor, traffic, failure);
      socket.resetAndDestroy();
    } else {
      log("debug", "visitor", { endpoint, visitor });
      const local = { readable: socket, writable: socket, reset: () => void socket.resetAndDestroy() };
      const traffic = counts.begin("tcp");
      counts.end(traffic, await tunnel(link, endpoint, sendsVisitors ? visitor : "", local, traffic, log));
      visitors?.leave(hostOf(visitor));
    }
    this.#sockets.delete(socket);
  }
}

function hostOf(visitor: string): string {
  return splitHostPort(visitor)?.host ?? visitor;
}
