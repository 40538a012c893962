import type { Stream } from "./stream.ts";

// What keeps datagrams fresh and flows honest. Nothing here is resent: what is late is dropped, and counted.

/** Milliseconds a datagram may wait before it enters a socket: older voice is worse than none. */
export const DATAGRAM_DEADLINE_MS = 100;

/** Milliseconds without a datagram in either direction after which a flow is over, unless its mapping says otherwise. */
export const FLOW_IDLE_MS = 120_000;

/** Bytes already in a socket's queue above which datagrams wait outside, where they can still be dropped. */
const SOCKET_BYTES = 16 * 1024;
/** Datagrams and bytes that may wait: at 100 calls, what comes in during the deadline. */
const WAITING_DATAGRAMS = 1_024;
const WAITING_BYTES = 1024 * 1024;
/** Bytes that a datagram counts beside its own, where flows are compared: many small ones crowd others out, too. */
const DATAGRAM_COST = WAITING_BYTES / WAITING_DATAGRAMS;

/** Why datagrams were dropped: no room, over the deadline, over what an unproven peer may be sent, or nobody to take them. */
export type DropReason = "queue" | "late" | "guard" | "socket" | "refused";
export type Drops = Record<DropReason, number>;

export function noDrops(): Drops {
  return { queue: 0, late: 0, guard: 0, socket: 0, refused: 0 };
}

type Waiting = { bytes: Uint8Array; at: number };

/** What waits of one flow; the first of `datagrams` that is not taken yet is at `first`. */
type Line = { readonly stream: Stream; datagrams: Waiting[]; first: number; bytes: number };

/**
 * Datagrams of all flows on their way into one lane: at once if the socket is free, else in turns, so that a flow that
 * floods costs the others nothing. Without room it loses its oldest; what is late nobody gets.
 */
export class DatagramQueue {
  readonly drops: Drops;
  readonly #queued: () => number;
  readonly #now: () => number;
  /** In the order of their turns. */
  readonly #lines = new Map<Stream, Line>();
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

  send(stream: Stream, bytes: Uint8Array): void {
    if (this.#length === 0 && this.#queued() < SOCKET_BYTES) return stream.datagram(bytes, 0);
    const line = this.#lines.get(stream) ?? { stream, datagrams: [], first: 0, bytes: 0 };
    this.#lines.set(stream, line);
    // The reader's buffer is its own again after this call.
    line.datagrams.push({ bytes: bytes.slice(), at: this.#now() });
    line.bytes += bytes.byteLength;
    this.#length += 1;
    this.#bytes += bytes.byteLength;
    while (this.#length > WAITING_DATAGRAMS || this.#bytes > WAITING_BYTES) {
      this.#take(this.#longest(line));
      this.drops.queue += 1;
    }
    this.flush();
  }

  /** The socket has room: sends what is still fresh, one of each flow in turn. */
  flush(): void {
    while (this.#queued() < SOCKET_BYTES) {
      const [line] = this.#lines.values();
      if (line === undefined) return;
      const { bytes, at } = this.#take(line);
      // Its next turn comes after those of all others.
      if (this.#lines.delete(line.stream)) this.#lines.set(line.stream, line);
      const age = this.#now() - at;
      if (age > DATAGRAM_DEADLINE_MS) this.drops.late += 1;
      else line.stream.datagram(bytes, Math.round(age * 1000));
    }
  }

  /** Who has to lose one: `line` itself if it has its share or more, which is nearly always so in a flood. */
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
    if (line.first === line.datagrams.length) this.#lines.delete(line.stream);
    if (line.first > WAITING_DATAGRAMS) {
      line.datagrams = line.datagrams.slice(line.first);
      line.first = 0;
    }
    return taken;
  }
}

function costOf({ datagrams, first, bytes }: Line): number {
  return (datagrams.length - first) * DATAGRAM_COST + bytes;
}

/** Datagrams that come before there is somebody to take them: a few, the newest. */
export class Early {
  readonly #most: number;
  #datagrams: Uint8Array[] = [];

  constructor(most = 16) {
    this.#most = most;
  }

  /** False when an older one had to go. */
  add(bytes: Uint8Array): boolean {
    this.#datagrams.push(bytes.slice());
    if (this.#datagrams.length <= this.#most) return true;
    this.#datagrams.shift();
    return false;
  }

  take(): Uint8Array[] {
    const taken = this.#datagrams;
    this.#datagrams = [];
    return taken;
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
