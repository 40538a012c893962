import type { Datagrams } from "./datagrams.ts";
import { DATAGRAM_DEADLINE_MS } from "../wire/limits.ts";

// Queues and limits for flows of datagrams. A datagram is never sent again; a late one is dropped and counted.

/** Milliseconds without a datagram in either direction after which a flow ends, unless its mapping sets another time. */
export const FLOW_IDLE_MS = 120_000;

/** Bytes in a lane's socket from which on datagrams wait in this queue, where they can still be dropped. */
const SOCKET_BYTES = 16 * 1024;
/** Most datagrams and bytes that wait: those of 100 calls within the deadline. */
const WAITING_DATAGRAMS = 1_024;
const WAITING_BYTES = 1024 * 1024;
/** Bytes that a flow may send before flows that began to wait later have priority. */
const TURN_BYTES = 1_400;
/** Bytes that a datagram counts on top of its own where queues are compared: many small ones displace others, too. */
const DATAGRAM_OVERHEAD = WAITING_BYTES / WAITING_DATAGRAMS;

/**
 * Why a datagram was dropped: the queue was full, it was past the deadline, it was beyond the mapping's rate, it was more than
 * an unproven peer may be sent, the kernel didn't take it, or its flow was refused.
 */
export type DropReason = "queue" | "late" | "rate" | "guard" | "socket" | "refused";
export type Drops = Record<DropReason, number>;

export function noDrops(): Drops {
  return { queue: 0, late: 0, rate: 0, guard: 0, socket: 0, refused: 0 };
}

/** A flow, as its queue uses it. Flows of one session have the same `datagrams`. */
export type QueuedFlow = {
  /** Sends one datagram now; `age` in microseconds. */
  readonly datagram: (bytes: Uint8Array, age: number) => void;
  readonly datagrams?: Datagrams;
  readonly over?: boolean;
};

type WaitingDatagram = { bytes: Uint8Array; at: number };

/** The datagrams of one flow that wait, from index `first` of `datagrams` on. `sent`: bytes sent since the flow began to wait. */
type FlowQueue = {
  readonly flow: QueuedFlow;
  datagrams: WaitingDatagram[];
  first: number;
  bytes: number;
  sent: number;
};

/**
 * The flows of one session that wait, in the order of turns. Those in `fresh` have sent little since they began to wait, and
 * come first.
 */
type SessionQueue = {
  readonly datagrams: Datagrams | undefined;
  readonly fresh: Set<FlowQueue>;
  readonly others: Set<FlowQueue>;
};

/**
 * The queue of datagrams for one lane. It sends a datagram at once if the socket is free and its session may send, else flows
 * take turns, so that a flow that floods costs the others nothing. A full queue drops the oldest datagram of its longest flow.
 */
export class DatagramQueue {
  readonly drops: Drops;
  readonly #queued: () => number;
  readonly #now: () => number;
  readonly #flows = new Map<QueuedFlow, FlowQueue>();
  readonly #sessions = new Map<Datagrams | undefined, SessionQueue>();
  #length = 0;
  #bytes = 0;

  /** `queued` returns the bytes in the lane's socket now, `now` milliseconds. */
  constructor(queued: () => number, now: () => number, drops: Drops = noDrops()) {
    this.#queued = queued;
    this.#now = now;
    this.drops = drops;
  }

  get length(): number {
    return this.#length;
  }

  /** Sends a datagram, or queues a copy of it. The caller may reuse `bytes` after this call. */
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

  /** Sends queued datagrams as far as socket and sessions allow, one of each flow in turn. Drops late ones. */
  flush(): void {
    this.#sendFrom([...this.#sessions.values()]);
  }

  #sendFrom(queues: readonly SessionQueue[]): void {
    let open = queues;
    while (open.length > 0) open = open.filter((way) => this.#sendOne(way));
  }

  /** Whether a datagram of a flow with nothing waiting is sent at once. */
  #isFree({ datagrams }: QueuedFlow, now: number): boolean {
    if (this.#queued() >= SOCKET_BYTES) return false;
    return (
      (!this.#sessions.has(datagrams) && datagrams?.maySend(now) !== false) || datagrams?.mayOvertake(now) === true
    );
  }

  /** Sends one datagram of a session. Returns false when no more of it may be sent now. */
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

  /** The flow that has to lose a datagram: the given one if it has an equal part or more, as nearly always in a flood. */
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

/** The newest datagrams of a flow that came before its socket was open; at most 16 by default. */
export class EarlyDatagrams {
  readonly #most: number;
  readonly #drops: Drops;
  #datagrams: WaitingDatagram[] = [];

  constructor(most = 16, drops: Drops = noDrops()) {
    this.#most = most;
    this.#drops = drops;
  }

  /** Adds a copy of a datagram. Returns false when an older one was dropped for it. `now` in milliseconds. */
  add(bytes: Uint8Array, now = 0): boolean {
    this.#datagrams.push({ bytes: bytes.slice(), at: now });
    if (this.#datagrams.length <= this.#most) return true;
    this.#datagrams.shift();
    this.#drops.queue += 1;
    return false;
  }

  /** Takes all datagrams that are not late. `now` in milliseconds. */
  take(now = 0): Uint8Array[] {
    const taken = this.#datagrams;
    const fresh = taken.filter(({ at }) => now - at <= DATAGRAM_DEADLINE_MS);
    this.#drops.late += taken.length - fresh.length;
    this.#datagrams = [];
    return fresh.map(({ bytes }) => bytes);
  }
}

/**
 * Limits the answers to a peer whose address may be forged to three times the bytes that it sent. With `first` the limit ends
 * once the peer sends again after an answer, which proves its address; with `always` (a known reflector) never.
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

  /** Notes bytes that the peer sent. */
  received(bytes: number): void {
    this.#receivedBytes += bytes;
    if (this.#mode === "first" && this.#sentBytes > 0) this.#proved = true;
  }

  /** Notes that the peer's address is proved by other means. */
  prove(): void {
    if (this.#mode === "first") this.#proved = true;
  }

  /** Whether `bytes` may be sent to the peer now; counts them if so. */
  allows(bytes: number): boolean {
    if (!this.#proved && this.#sentBytes + bytes > 3 * this.#receivedBytes) return false;
    this.#sentBytes += bytes;
    return true;
  }
}

/** A set of flows that finds idle ones without a timer for each. */
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

  /** The flows that have been idle for longer than they may be. `now` in milliseconds. */
  *overdue(now: number): Iterable<T> {
    for (const flow of this.#flows) if (now - flow.touched > flow.idleMs) yield flow;
  }
}
