import { DatagramQueue } from "../shared/session/flow.ts";
import { Resources } from "../link/resources.ts";
import type { Log } from "../link/log.ts";
import type { SiteLink } from "../link/site-link.ts";
import { EventLoopWatch } from "../link/event-loop-watch.ts";
import { TcpListener, type TcpOptions } from "./tcp.ts";
import { UdpListener, type UdpOptions } from "./udp.ts";
import { VisitorLimits } from "./visitor-limits.ts";
import type { Listening } from "./listen-request.ts";

export type Listener = TcpListener | UdpListener;

/** The listeners of one program, and what they share: options, and for each site a queue of datagrams and the limits on visitors. */
export class Listeners implements AsyncDisposable {
  readonly #options: TcpOptions;
  readonly #log: Log;
  readonly #queues = new Map<SiteLink, DatagramQueue>();
  readonly #visitors = new Map<SiteLink, VisitorLimits>();
  readonly #all = new Set<Listener>();
  readonly #eventLoop = new EventLoopWatch();

  constructor(options: TcpOptions, log: Log) {
    this.#options = options;
    this.#log = log;
  }

  /** Opens a listener. Rejects with the error of `listen` or `bind` (EADDRINUSE, EACCES, EADDRNOTAVAIL). */
  async open(link: SiteLink, listening: Listening): Promise<Listener> {
    const { text: endpoint, transport } = listening;
    const visitors = this.#visitorsOf(link);
    const listener =
      transport === "tcp"
        ? await TcpListener.open(link, endpoint, listening, { ...this.#options, visitors }, this.#log)
        : await UdpListener.open(link, endpoint, listening, { ...this.#udpOptions(link), visitors }, this.#log);
    this.#all.add(listener);
    if (transport === "udp") this.#eventLoop.begin();
    this.#log("info", "listening", { endpoint, at: listener.at, site: link.site });
    return listener;
  }

  async close(listener: Listener): Promise<void> {
    this.#all.delete(listener);
    if (this.listening.udp === 0) this.#eventLoop.end();
    await listener[Symbol.asyncDispose]();
  }

  /** The realtime lane of a site takes datagrams again. */
  drained(link: SiteLink): void {
    this.#queues.get(link)?.flush();
  }

  /** How many ports are open, by transport. */
  get listening(): Record<"tcp" | "udp", number> {
    const counts = { tcp: 0, udp: 0 };
    for (const listener of this.#all) counts[listener instanceof TcpListener ? "tcp" : "udp"] += 1;
    return counts;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#eventLoop.end();
    await using all = new Resources();
    for (const listener of this.#all) all.use(listener);
  }

  /** Returns the limits on a site's visitors. Only a gateway has them: a client's visitors are programs of one machine. */
  #visitorsOf(link: SiteLink): VisitorLimits | null {
    if (!this.#options.sendsVisitors) return null;
    const visitors = this.#visitors.get(link) ?? new VisitorLimits();
    this.#visitors.set(link, visitors);
    return visitors;
  }

  #udpOptions(link: SiteLink): Omit<UdpOptions, "visitors"> {
    const { sendsVisitors, counts } = this.#options;
    return { sendsVisitors, queue: this.#queueOf(link), counts, eventLoop: this.#eventLoop };
  }

  #queueOf(link: SiteLink): DatagramQueue {
    const existing = this.#queues.get(link);
    if (existing !== undefined) return existing;
    const queue = new DatagramQueue(
      () => link.queued,
      () => performance.now(),
      this.#options.counts.drops,
    );
    this.#queues.set(link, queue);
    return queue;
  }
}
