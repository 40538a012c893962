import type { Datagrams } from "./datagrams.ts";
import { DATAGRAM_DEADLINE_MS } from "../wire/limits.ts";

// What keeps datagrams fresh and flows honest. Nothing here is resent: what is late is dropped, and counted.

/** Milliseconds without a datagram in either direction after which a flow is over, unless its mapping says otherwise. */
export const FLOW_IDLE_MS = 120_000;

/** Bytes already in a socket's queue above which datagrams wait outside, where they can still be dropped. */
const SOCKET_BYTES = 16 * 1024;
/** Datagrams and bytes that may wait: at 100 calls, what comes in during the deadline. */
const WAITING_DATAGRAMS = 1_024;
const WAITING_BYTES = 1024 * 1024;
/** Bytes that a flow sends before those that began to wait after it come first. */
const TURN_BYTES = 1_400;
/** Bytes that a datagram counts beside its own, where flows are compared: many small ones crowd others out, too. */
const DATAGRAM_OVERHEAD = WAITING_BYTES / WAITING_DATAGRAMS;

/**
 * Why datagrams were dropped: no room, over the deadline, over the mapping's rate, over what an unproven peer may be sent,
 * not taken by this machine's kernel, or not to be taken at all.
 */
export type DropReason = "queue" | "late" | "rate" | "guard" | "socket" | "refused";
export type Drops = Record<DropReason, number>;

export function noDrops(): Drops {
  return { queue: 0, late: 0, rate: 0, guard: 0, socket: 0, refused: 0 };
}

/** What a queue knows of a flow. Flows of one session have the same `datagrams`. */
export type QueuedFlow = {
  /** Sends one now; `age` in microseconds. */
  readonly datagram: (bytes: Uint8Array, age: number) => void;
  readonly datagrams?: Datagrams;
  readonly over?: boolean;
};

type WaitingDatagram = { bytes: Uint8Array; at: number };

/** What waits of one flow; the first of `datagrams` that is not taken yet is at `first`. `sent`: bytes since it began to wait. */
type FlowQueue = {
  readonly flow: QueuedFlow;
  datagrams: WaitingDatagram[];
  first: number;
  bytes: number;
  sent: number;
};

/** Lines of one session, each in the order of turns: those that have sent little since they began to wait come first. */
type SessionQueue = {
  readonly datagrams: Datagrams | undefined;
  readonly fresh: Set<FlowQueue>;
  readonly others: Set<FlowQueue>;
};

/**
 * Datagrams of all flows on their way into one lane: at once if the socket is free and their session's path has room, else
 * in turns, so that a flow that floods costs the others nothing. Without room it loses its oldest; what is late goes nowhere.
 */
export class DatagramQueue {
  readonly drops: Drops;
  readonly #queued: () => number;
  readonly #now: () => number;
  readonly #flows = new Map<QueuedFlow, FlowQueue>();
  readonly #sessions = new Map<Datagrams | undefined, SessionQueue>();
  #length = 0;
  #bytes = 0;

  /** `queued`: bytes in the lane's socket now. `now` in milliseconds. */
  constructor(queued: () => number, now: () => number, drops: Drops = noDrops()) {
    this.#queued = queued;
    this.#now = now;
    this.drops = drops;
  }

  get length(): number {
    return this.#length;
  }

  /** Sends one, or keeps a copy of it until there is room: the reader's buffer is its own again after this call. */
  send(flow: QueuedFlow, bytes: Uint8Array): void {
    const now = this.#now();
    const waiting = this.#flows.get(flow);
    if (waiting === undefined && this.#isFree(flow, now)) return flow.datagram(bytes, 0);
    const queue = waiting ?? this.#begin(flow);
    queue.datagrams.push({ bytes: bytes.slice(), at: now });
    queue.bytes += bytes.byteLength;
    this.#length += 1;
    this.#bytes += bytes.byteLength;
    this.#dropLate(queue, now);
    while (this.#length > WAITING_DATAGRAMS || this.#bytes > WAITING_BYTES) {
      this.#take(this.#longest(queue));
      this.drops.queue += 1;
    }
    const sessionQueue = this.#sessions.get(flow.datagrams);
    if (sessionQueue !== undefined) this.#sendFrom([sessionQueue]);
  }

  /** The socket, or a session's path, has room: sends what is still fresh, one of each flow in turn. */
  flush(): void {
    this.#sendFrom([...this.#sessions.values()]);
  }

  #sendFrom(queues: readonly SessionQueue[]): void {
    let open = queues;
    while (open.length > 0) open = open.filter((way) => this.#sendOne(way));
  }

  /** Whether one of a flow of which nothing waits goes at once. */
  #isFree({ datagrams }: QueuedFlow, now: number): boolean {
    if (this.#queued() >= SOCKET_BYTES) return false;
    return (
      (!this.#sessions.has(datagrams) && datagrams?.maySend(now) !== false) || datagrams?.mayOvertake(now) === true
    );
  }

  /** False when nothing of this session may be sent now. */
  #sendOne(session: SessionQueue): boolean {
    const now = this.#now();
    if (this.#queued() >= SOCKET_BYTES || session.datagrams?.maySend(now) === false) return false;
    const [queue] = session.fresh.size > 0 ? session.fresh : session.others;
    if (queue === undefined) return false;
    this.#dropLate(queue, now);
    if (this.#flows.get(queue.flow) === queue) this.#sendFirst(session, queue, now);
    return this.#sessions.has(session.datagrams);
  }

  #sendFirst(session: SessionQueue, queue: FlowQueue, now: number): void {
    const { bytes, at } = this.#take(queue);
    queue.sent += bytes.byteLength;
    // Its next turn comes after those of all others.
    if (session.fresh.delete(queue) || session.others.delete(queue))
      (queue.sent < TURN_BYTES ? session.fresh : session.others).add(queue);
    if (queue.flow.over === true) this.drops.refused += 1;
    else queue.flow.datagram(bytes, Math.round((now - at) * 1000));
  }

  #begin(flow: QueuedFlow): FlowQueue {
    const queue = { flow, datagrams: [], first: 0, bytes: 0, sent: 0 };
    const { datagrams } = flow;
    const session = this.#sessions.get(datagrams) ?? { datagrams, fresh: new Set(), others: new Set() };
    session.fresh.add(queue);
    this.#sessions.set(datagrams, session);
    this.#flows.set(flow, queue);
    return queue;
  }

  #dropLate(queue: FlowQueue, now: number): void {
    const { datagrams } = queue.flow;
    for (let next = queue.datagrams[queue.first]; next !== undefined; next = queue.datagrams[queue.first]) {
      const age = now - next.at;
      if (!(datagrams?.isLate(age, now) ?? age > DATAGRAM_DEADLINE_MS)) return;
      this.#take(queue);
      this.drops.late += 1;
    }
  }

  /** The line that has to lose one: `line` itself if it has its share or more, which is nearly always so in a flood. */
  #longest(queue: FlowQueue): FlowQueue {
    const total = this.#length * DATAGRAM_OVERHEAD + this.#bytes;
    if (sizeOf(queue) * this.#flows.size >= total) return queue;
    return [...this.#flows.values()].reduce(
      (longest, each) => (sizeOf(each) > sizeOf(longest) ? each : longest),
      queue,
    );
  }

  #take(queue: FlowQueue): WaitingDatagram {
    const taken = queue.datagrams[queue.first] as WaitingDatagram;
    queue.first += 1;
    queue.bytes -= taken.bytes.byteLength;
    this.#length -= 1;
    this.#bytes -= taken.bytes.byteLength;
    if (queue.first === queue.datagrams.length) this.#end(queue);
    if (queue.first > WAITING_DATAGRAMS) {
      queue.datagrams = queue.datagrams.slice(queue.first);
      queue.first = 0;
    }
    return taken;
  }

  #end(queue: FlowQueue): void {
    const { flow } = queue;
    const session = this.#sessions.get(flow.datagrams);
    session?.fresh.delete(queue);
    session?.others.delete(queue);
    if (session?.fresh.size === 0 && session.others.size === 0) this.#sessions.delete(flow.datagrams);
    this.#flows.delete(flow);
  }
}

function sizeOf({ datagrams, first, bytes }: FlowQueue): number {
  return (datagrams.length - first) * DATAGRAM_OVERHEAD + bytes;
}

/** Datagrams that come before there is a socket to send them from: a few, the newest. */
export class EarlyDatagrams {
  readonly #most: number;
  readonly #drops: Drops;
  #datagrams: WaitingDatagram[] = [];

  constructor(most = 16, drops: Drops = noDrops()) {
    this.#most = most;
    this.#drops = drops;
  }

  /** False when an older one had to go. `now` in milliseconds. */
  add(bytes: Uint8Array, now = 0): boolean {
    this.#datagrams.push({ bytes: bytes.slice(), at: now });
    if (this.#datagrams.length <= this.#most) return true;
    this.#datagrams.shift();
    this.#drops.queue += 1;
    return false;
  }

  /** Those that are not too late by now. */
  take(now = 0): Uint8Array[] {
    const taken = this.#datagrams;
    const fresh = taken.filter(({ at }) => now - at <= DATAGRAM_DEADLINE_MS);
    this.#drops.late += taken.length - fresh.length;
    this.#datagrams = [];
    return fresh.map(({ bytes }) => bytes);
  }
}

/**
 * Against forged sources: what a peer is sent stays within three times what it sent, until it has shown that it hears us.
 * `first`: it has when it speaks again after an answer; `always`: a known reflector's peers never have.
 */
export class AmplificationGuard {
  readonly #mode: "first" | "always" | undefined;
  #receivedBytes = 0;
  #sentBytes = 0;
  #proved: boolean;

  constructor(mode: "first" | "always" | undefined) {
    this.#mode = mode;
    this.#proved = mode === undefined;
  }

  /** The peer sent so many bytes. */
  received(bytes: number): void {
    this.#receivedBytes += bytes;
    if (this.#mode === "first" && this.#sentBytes > 0) this.#proved = true;
  }

  /** It is known by other means that the peer is where it says. */
  prove(): void {
    if (this.#mode === "first") this.#proved = true;
  }

  /** Whether so many bytes may be sent to it now; counts them if so. */
  allows(bytes: number): boolean {
    if (!this.#proved && this.#sentBytes + bytes > 3 * this.#receivedBytes) return false;
    this.#sentBytes += bytes;
    return true;
  }
}

/** Flows by when something last passed, so that idle ones are found without a timer each. */
export class IdleFlows<T extends { touched: number; idleMs: number }> {
  readonly #flows = new Set<T>();

  get size(): number {
    return this.#flows.size;
  }

  get all(): Iterable<T> {
    return this.#flows;
  }

  add(flow: T): void {
    this.#flows.add(flow);
  }

  delete(flow: T): void {
    this.#flows.delete(flow);
  }

  /** Those that have been quiet for longer than they may. `now` in milliseconds. */
  *overdue(now: number): Iterable<T> {
    for (const flow of this.#flows) if (now - flow.touched > flow.idleMs) yield flow;
  }
}
