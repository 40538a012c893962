import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";
import { isIPv6 } from "node:net";
import { type DatagramQueue, type Drops } from "../../shared/flow.ts";
import { formatHostPort } from "../../shared/socket-address.ts";
import type { Stream } from "../../shared/stream.ts";
import type { Log } from "../../link/log.ts";
import type { SiteLink } from "../../link/site-link.ts";
import type { Where } from "./tcp.ts";

/** Milliseconds for which a peer that was refused is not asked for again: a denied flood stays on this machine. */
const REFUSED_MS = 5_000;
/** Refused peers remembered. */
const MOST_REFUSED = 10_000;
/** Bytes the kernel holds for one port while we are busy: a burst of a hundred calls. */
const SOCKET_BUFFER = 1024 * 1024;

/** A UDP listener whose datagrams go to one endpoint: a flow for each peer, by its full address and port. */
export class UdpListener implements AsyncDisposable {
  readonly endpoint: string;
  readonly #socket: Socket;
  readonly #flows = new Map<string, Stream>();
  readonly #refused = new Map<string, number>();

  private constructor(endpoint: string, socket: Socket) {
    this.endpoint = endpoint;
    this.#socket = socket;
  }

  /** Rejects with what `bind` fails with. */
  static async open(
    link: SiteLink,
    endpoint: string,
    { host, port }: Where,
    states: boolean,
    queue: DatagramQueue,
    log: Log,
  ): Promise<UdpListener> {
    const socket = createSocket({
      type: isIPv6(host) ? "udp6" : "udp4",
      recvBufferSize: SOCKET_BUFFER,
      sendBufferSize: SOCKET_BUFFER,
    });
    const listener = new UdpListener(endpoint, socket);
    socket.bind({ address: host, port, exclusive: true });
    await once(socket, "listening");
    socket.on("error", (error) => log("warn", "a UDP port failed", { endpoint, reason: error.message }));
    socket.on("message", (bytes, peer) => listener.#receive(link, bytes, peer, states, queue, log));
    return listener;
  }

  get at(): string {
    const { address, port } = this.#socket.address();
    return formatHostPort(address, port);
  }

  get flows(): number {
    return this.#flows.size;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const stream of [...this.#flows.values()]) stream.reset("visitor-gone", "the port was closed");
    this.#socket.close();
    await once(this.#socket, "close");
  }

  #receive(link: SiteLink, bytes: Buffer, peer: RemoteInfo, states: boolean, queue: DatagramQueue, log: Log): void {
    const visitor = formatHostPort(peer.address, peer.port);
    const stream = this.#flows.get(visitor) ?? this.#open(link, peer, visitor, states, queue.drops, log);
    if (stream === undefined) queue.drops.refused += 1;
    else queue.send(stream, bytes);
  }

  #open(
    link: SiteLink,
    peer: RemoteInfo,
    visitor: string,
    states: boolean,
    drops: Drops,
    log: Log,
  ): Stream | undefined {
    const refused = this.#refused.get(visitor);
    if (refused !== undefined && performance.now() - refused < REFUSED_MS) return undefined;
    this.#refused.delete(visitor);
    const opened = link.open(this.endpoint, states ? visitor : "", "udp");
    if ("code" in opened) return undefined;
    let answered = false;
    this.#flows.set(visitor, opened);
    opened.events = {
      accepted: () => (answered = true),
      data: (bytes) => opened.consumed(bytes.byteLength),
      // The agent ends idle flows: it knows for how long they may be quiet.
      fin: () => opened.finish(),
      datagram: (bytes) => {
        this.#socket.send(bytes, peer.port, peer.address, (error) => {
          if (error !== null) drops.socket += 1;
        });
      },
      ended: (failure) => {
        if (this.#flows.get(visitor) === opened) this.#flows.delete(visitor);
        if (failure === null || answered) return;
        log("info", "flow refused", { endpoint: this.endpoint, visitor, ...failure });
        if (failure.code === "slot-gone" || failure.code === "lost" || failure.code === "busy") return;
        if (this.#refused.size >= MOST_REFUSED) this.#refused.clear();
        this.#refused.set(visitor, performance.now());
      },
    };
    return opened;
  }
}
