import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";

export interface ProxyOptions {
  /** Where names lead to: HOST:PORT as it is asked for, to a port of this machine. */
  readonly places?: Readonly<Record<string, { host: string; port: number }>>;
  /** USER:PASSWORD that it wants; without, it takes everybody. */
  readonly login?: string;
  /** Files: it speaks TLS then. */
  readonly tls?: { readonly cert: string; readonly key: string };
  readonly listen?: string;
  readonly version?: "1.0" | "1.1";
  /** What it says in the place of all that, and hangs up; null: nothing at all. */
  readonly says?: string | null;
}

/** A proxy made by hand, which leads wherever a test says, by names that nothing else resolves. */
export class ConnectProxy implements AsyncDisposable {
  /** Heads of what it was asked. */
  readonly heads: string[] = [];
  /** All that ends have sent through it, once they were connected. */
  up = "";
  readonly #sockets = new Set<Socket>();
  readonly #options: ProxyOptions;
  #server = createServer();
  #port = 0;

  constructor(options: ProxyOptions) {
    this.#options = options;
  }

  get host(): string {
    return this.#options.listen ?? "127.0.0.1";
  }

  get port(): number {
    return this.#port;
  }

  /** Its URL, with `login` before the host if given. */
  url(login?: string): string {
    const host = this.host.includes(":") ? `[${this.host}]` : this.host;
    const scheme = this.#options.tls === undefined ? "http" : "https";
    return `${scheme}://${login === undefined ? "" : `${login}@`}${host}:${this.#port}`;
  }

  /** Listens, at the same port as before when it was stopped. */
  async start(): Promise<void> {
    const { tls } = this.#options;
    const take = (socket: Socket): void => this.#take(socket);
    this.#server =
      tls === undefined
        ? createServer(take)
        : createTlsServer({ cert: await readFile(tls.cert), key: await readFile(tls.key) }, take);
    this.#server.on("tlsClientError", () => undefined);
    this.#server.listen(this.#port, this.host);
    await once(this.#server, "listening");
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** Cuts every connection, and takes no more. */
  async stop(): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server, "close");
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => undefined).on("close", () => this.#sockets.delete(socket));
  }

  #take(socket: Socket): void {
    this.#keep(socket);
    let head = Buffer.alloc(0);
    const read = (chunk: Buffer): void => {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf("\r\n\r\n");
      if (end < 0) return;
      socket.off("data", read);
      this.heads.push(head.toString("latin1", 0, end));
      this.#answer(socket, head.toString("latin1", 0, end));
    };
    socket.on("data", read);
  }

  #answer(socket: Socket, head: string): void {
    const { says, login, places = {}, version = "1.1" } = this.#options;
    if (says === null) return;
    if (says !== undefined) return void socket.end(says);
    const [, name = ""] = /^CONNECT (\S+) HTTP\/1\.1\r\n/.exec(head) ?? [];
    const wanted = login === undefined ? "" : Buffer.from(login).toString("base64");
    if (!head.includes(wanted)) {
      socket.end(`HTTP/${version} 407 Login\r\nProxy-Authenticate: Basic realm="here, now"\r\n\r\n<html>who?</html>`);
      return;
    }
    const place = places[name];
    if (place === undefined) return void socket.end(`HTTP/${version} 502 Bad Gateway\r\n\r\n`);
    const on = connect(place.port, place.host);
    this.#keep(on);
    on.once("connect", () => {
      socket.write(`HTTP/${version} 200 Connection established\r\nProxy-Agent: by hand\r\n\r\n`);
      socket.on("data", (chunk: Buffer) => (this.up += chunk.toString("latin1")));
      socket.pipe(on).pipe(socket);
    });
    on.on("close", () => socket.destroy());
    socket.on("close", () => on.destroy());
  }
}

export async function connectProxy(options: ProxyOptions = {}): Promise<ConnectProxy> {
  const proxy = new ConnectProxy(options);
  await proxy.start();
  return proxy;
}
