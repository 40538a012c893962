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
const DATAGRAM_COST = WAITING_BYTES / WAITING_DATAGRAMS;

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

type Waiting = { bytes: Uint8Array; at: number };

/** What waits of one flow; the first of `datagrams` that is not taken yet is at `first`. `sent`: bytes since it began to wait. */
type Line = { readonly flow: QueuedFlow; datagrams: Waiting[]; first: number; bytes: number; sent: number };

/** Lines of one session, each in the order of turns: those that have sent little since they began to wait come first. */
type Way = { readonly datagrams: Datagrams | undefined; readonly fresh: Set<Line>; readonly others: Set<Line> };

/**
 * Datagrams of all flows on their way into one lane: at once if the socket is free and their session's path has room, else
 * in turns, so that a flow that floods costs the others nothing. Without room it loses its oldest; what is late goes nowhere.
 */
export class DatagramQueue {
  readonly drops: Drops;
  readonly #queued: () => number;
  readonly #now: () => number;
  readonly #lines = new Map<QueuedFlow, Line>();
  readonly #ways = new Map<Datagrams | undefined, Way>();
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
    const waiting = this.#lines.get(flow);
    if (waiting === undefined && this.#isFree(flow, now)) return flow.datagram(bytes, 0);
    const line = waiting ?? this.#begin(flow);
    line.datagrams.push({ bytes: bytes.slice(), at: now });
    line.bytes += bytes.byteLength;
    this.#length += 1;
    this.#bytes += bytes.byteLength;
    this.#dropLate(line, now);
    while (this.#length > WAITING_DATAGRAMS || this.#bytes > WAITING_BYTES) {
      this.#take(this.#longest(line));
      this.drops.queue += 1;
    }
    const way = this.#ways.get(flow.datagrams);
    if (way !== undefined) this.#sendFrom([way]);
  }

  /** The socket, or a session's path, has room: sends what is still fresh, one of each flow in turn. */
  flush(): void {
    this.#sendFrom([...this.#ways.values()]);
  }

  #sendFrom(ways: readonly Way[]): void {
    let open = ways;
    while (open.length > 0) open = open.filter((way) => this.#sendOne(way));
  }

  /** Whether one of a flow of which nothing waits goes at once. */
  #isFree({ datagrams }: QueuedFlow, now: number): boolean {
    if (this.#queued() >= SOCKET_BYTES) return false;
    return (!this.#ways.has(datagrams) && datagrams?.room(now) !== false) || datagrams?.spare(now) === true;
  }

  /** False when nothing of this session may be sent now. */
  #sendOne(way: Way): boolean {
    const now = this.#now();
    if (this.#queued() >= SOCKET_BYTES || way.datagrams?.room(now) === false) return false;
    const [line] = way.fresh.size > 0 ? way.fresh : way.others;
    if (line === undefined) return false;
    this.#dropLate(line, now);
    if (this.#lines.get(line.flow) === line) this.#sendFirst(way, line, now);
    return this.#ways.has(way.datagrams);
  }

  #sendFirst(way: Way, line: Line, now: number): void {
    const { bytes, at } = this.#take(line);
    line.sent += bytes.byteLength;
    // Its next turn comes after those of all others.
    if (way.fresh.delete(line) || way.others.delete(line)) (line.sent < TURN_BYTES ? way.fresh : way.others).add(line);
    if (line.flow.over === true) this.drops.refused += 1;
    else line.flow.datagram(bytes, Math.round((now - at) * 1000));
  }

  #begin(flow: QueuedFlow): Line {
    const line = { flow, datagrams: [], first: 0, bytes: 0, sent: 0 };
    const { datagrams } = flow;
    const way = this.#ways.get(datagrams) ?? { datagrams, fresh: new Set(), others: new Set() };
    way.fresh.add(line);
    this.#ways.set(datagrams, way);
    this.#lines.set(flow, line);
    return line;
  }

  #dropLate(line: Line, now: number): void {
    const { datagrams } = line.flow;
    for (let next = line.datagrams[line.first]; next !== undefined; next = line.datagrams[line.first]) {
      const age = now - next.at;
      if (!(datagrams?.isLate(age, now) ?? age > DATAGRAM_DEADLINE_MS)) return;
      this.#take(line);
      this.drops.late += 1;
    }
  }

  /** The line that has to lose one: `line` itself if it has its share or more, which is nearly always so in a flood. */
  #longest(line: Line): Line {
    const total = this.#length * DATAGRAM_COST + this.#bytes;
    if (costOf(line) * this.#lines.size >= total) return line;
    return [...this.#lines.values()].reduce((longest, each) => (costOf(each) > costOf(longest) ? each : longest), line);
  }

  #take(line: Line): Waiting {
    const taken = line.datagrams[line.first] as Waiting;
    line.first += 1;
    line.bytes -= taken.bytes.byteLength;
    this.#length -= 1;
    this.#bytes -= taken.bytes.byteLength;
    if (line.first === line.datagrams.length) this.#end(line);
    if (line.first > WAITING_DATAGRAMS) {
      line.datagrams = line.datagrams.slice(line.first);
      line.first = 0;
    }
    return taken;
  }

  #end(line: Line): void {
    const { flow } = line;
    const way = this.#ways.get(flow.datagrams);
    way?.fresh.delete(line);
    way?.others.delete(line);
    if (way?.fresh.size === 0 && way.others.size === 0) this.#ways.delete(flow.datagrams);
    this.#lines.delete(flow);
  }
}

function costOf({ datagrams, first, bytes }: Line): number {
  return (datagrams.length - first) * DATAGRAM_COST + bytes;
}

/** Datagrams that come before there is a socket to send them from: a few, the newest. */
export class Early {
  readonly #most: number;
  readonly #drops: Drops;
  #datagrams: Waiting[] = [];

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
export class Guard {
  readonly #mode: "first" | "always" | undefined;
  #received = 0;
  #sent = 0;
  #proved: boolean;

  constructor(mode: "first" | "always" | undefined) {
    this.#mode = mode;
    this.#proved = mode === undefined;
  }

  /** The peer sent so many bytes. */
  heard(bytes: number): void {
    this.#received += bytes;
    if (this.#mode === "first" && this.#sent > 0) this.#proved = true;
  }

  /** It is known by other means that the peer is where it says. */
  prove(): void {
    if (this.#mode === "first") this.#proved = true;
  }

  /** Whether so many bytes may be sent to it now; counts them if so. */
  allows(bytes: number): boolean {
    if (!this.#proved && this.#sent + bytes > 3 * this.#received) return false;
    this.#sent += bytes;
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
