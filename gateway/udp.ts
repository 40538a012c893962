import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";
import { isIPv6 } from "node:net";
import { Bucket } from "../shared/bucket.ts";
import type { DatagramQueue } from "../shared/session/flow.ts";
import { OPEN_BURST, OPENS_PER_SECOND } from "../shared/wire/limits.ts";
import { formatHostPort } from "../shared/address/socket-address.ts";
import type { Stream } from "../shared/session/stream.ts";
import type { Log } from "../link/log.ts";
import type { SiteLink } from "../link/site-link.ts";
import type { EventLoopWatch } from "../link/event-loop-watch.ts";
import { UdpSender } from "../link/udp-sender.ts";
import type { Traffic } from "../link/carry.ts";
import type { Counts } from "./counts.ts";
import type { SiteLimits, LocalAddress } from "./tcp.ts";
import { logStreamEnd } from "./tunnel.ts";

/** Milliseconds for which a refused peer's datagrams are dropped without another OPEN: a denied flood stays on this machine. */
const REFUSED_MS = 5_000;
/** The most refused peers remembered. */
const MAX_REFUSED = 10_000;
/** Bytes that the kernel holds for one port while the program is busy: a burst of a hundred calls. */
const SOCKET_BUFFER = 1024 * 1024;

/** What UDP listeners share. `sendsVisitors`: whether OPEN contains the visitor's address, which only gateways may send. */
export type UdpOptions = SiteLimits & {
  sendsVisitors: boolean;
  queue: DatagramQueue;
  counts: Counts;
  eventLoop: EventLoopWatch;
};

type Flow = {
  stream: Stream;
  traffic: Traffic;
  /** To be called when a datagram came from the peer. */
  fromPeer: () => void;
};

/** A UDP listener whose datagrams go to one endpoint: a flow for each peer, by its full address and port. */
export class UdpListener implements AsyncDisposable {
  readonly endpoint: string;
  readonly #socket: Socket;
  readonly #out: UdpSender;
  readonly #flows = new Map<string, Flow>();
  readonly #refused = new Map<string, number>();
  /** Half of what a session may open: a flooded port leaves the other half to the other ports. */
  readonly #opens = new Bucket(OPENS_PER_SECOND / 2, OPEN_BURST / 2);

  private constructor(endpoint: string, socket: Socket) {
    this.endpoint = endpoint;
    this.#socket = socket;
    this.#out = new UdpSender(socket);
  }

  /** Opens a listener. Rejects with the error of `bind`. */
  static async open(
    link: SiteLink,
    endpoint: string,
    { host, port }: LocalAddress,
    options: UdpOptions,
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
    socket.on("message", (bytes, peer) => listener.#receive(link, bytes, peer, options, log));
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
    for (const { stream } of [...this.#flows.values()]) stream.reset("visitor-gone", "the port was closed");
    this.#socket.close();
    await once(this.#socket, "close");
  }

  #receive(link: SiteLink, bytes: Buffer, peer: RemoteInfo, options: UdpOptions, log: Log): void {
    if (options.eventLoop.isStale()) return void (options.counts.drops.late += 1);
    const visitor = formatHostPort(peer.address, peer.port);
    const flow = this.#flows.get(visitor) ?? this.#open(link, peer, visitor, options, log);
    if (flow === undefined) {
      options.counts.drops.refused += 1;
      return;
    }
    flow.fromPeer();
    flow.traffic.bytesIn += bytes.byteLength;
    options.queue.send(flow.stream, bytes);
  }

  #open(link: SiteLink, peer: RemoteInfo, visitor: string, options: UdpOptions, log: Log): Flow | undefined {
    const { sendsVisitors, counts, visitors } = options;
    const refusedAt = this.#refused.get(visitor);
    if (refusedAt !== undefined && performance.now() - refusedAt < REFUSED_MS) return undefined;
    this.#refused.delete(visitor);
    if (!this.#opens.take(performance.now()) || visitors?.enter(peer.address) === false) return undefined;
    const opened = link.open(this.endpoint, sendsVisitors ? visitor : "", "udp");
    if ("code" in opened) {
      visitors?.leave(peer.address);
      return undefined;
    }
    let answered = false;
    const traffic = counts.begin("udp");
    const evict = (): void => opened.reset("too-many", "newer flows needed the space, and this peer has not answered");
    const fromPeer = (): void => {
      if (traffic.bytesOut > 0) visitors?.removeUnproven(evict);
    };
    const flow: Flow = { stream: opened, traffic, fromPeer };
    this.#flows.set(visitor, flow);
    opened.events = {
      accepted: () => (answered = true),
      data: (bytes) => opened.consumed(bytes.byteLength),
      // Only the agent ends idle flows, because it knows their idle time.
      fin: () => opened.finish(),
      datagram: (bytes) => {
        traffic.bytesOut += bytes.byteLength;
        this.#out.send(bytes, peer, () => (counts.drops.socket += 1));
      },
      dropped: (reason) => (counts.drops[reason] += 1),
      ended: (failure) => {
        if (opened.ref !== "") traffic.stream = opened.ref;
        counts.end(traffic, failure);
        visitors?.removeUnproven(evict);
        visitors?.leave(peer.address);
        logStreamEnd(log, this.endpoint, visitor, traffic, failure);
        if (this.#flows.get(visitor) === flow) this.#flows.delete(visitor);
        if (failure === null || answered) return;
        if (failure.code === "slot-gone" || failure.code === "lost" || failure.code === "busy") return;
        if (this.#refused.size >= MAX_REFUSED) this.#refused.clear();
        this.#refused.set(visitor, performance.now());
      },
    };
    visitors?.addUnproven(evict);
    return flow;
  }
}
