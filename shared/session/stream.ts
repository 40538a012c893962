import type { Datagrams } from "./datagrams.ts";
import type { Failure, StreamCode } from "../wire/errors.ts";
import type { DropReason } from "./flow.ts";
import { HEADROOM } from "../wire/frame.ts";
import { Incoming } from "./incoming.ts";
import { HALF_CLOSED_MS, INITIAL_CREDIT } from "../wire/limits.ts";
import type { Accept, NamedAccept } from "../wire/open.ts";
import { Outgoing } from "./outgoing.ts";
import type { Pacers } from "./pacer.ts";

/** What an adapter hears of a stream. After `ended` nothing more comes. */
export type StreamEvents = {
  /** The agent reached the target. Callers only. */
  accepted?: (accept: Accept) => void;
  /** Bytes, in order, once. Say `consumed(bytes.byteLength)` when they are written on. */
  data: (bytes: Uint8Array) => void;
  /** The far end has said all it will say; every byte has been given to `data`. */
  fin: () => void;
  /** Flows only: one datagram, and its age in microseconds so far. Never sent again, never charged. */
  datagram?: (bytes: Uint8Array, age: number) => void;
  /** Flows only: one was dropped here, either way. */
  dropped?: (reason: DropReason) => void;
  /** There is room again after `isWritable` was false. */
  writable?: () => void;
  /** Exactly once: null when both directions ended in order and everything was consumed, else why not. */
  ended: (failure: Failure | null) => void;
};

/** What a stream needs of its session. */
export type StreamHost = {
  readonly datagrams: Datagrams;
  /** Monotonic milliseconds. */
  now: () => number;
  /** Something may have become sendable. */
  wake: (stream: Stream) => void;
  consumed: (stream: Stream) => void;
  accept: (stream: Stream, accept: Accept) => void;
  reject: (stream: Stream, failure: Failure) => void;
  reset: (stream: Stream, failure: Failure) => void;
  datagram: (stream: Stream, bytes: Uint8Array, age: number) => void;
};

export type StreamInit = { lane?: number; mapping?: number; ref?: string };

export type StreamState = "opening" | "open" | "ended";

/** Bytes waiting to be sent under which more are welcome: beside them one more read comes. */
const HUNGRY_BYTES = 32 * 1024;

const NO_EVENTS: StreamEvents = { data: () => {}, fin: () => {}, ended: () => {} };

/** One visitor's exchange, or one peer's flow of datagrams, as either end sees it. All methods do nothing once it has ended. */
export class Stream {
  readonly id: number;
  /** The lane of all its frames; it changes only when that lane is lost. */
  lane: number;
  readonly out: Outgoing;
  readonly in: Incoming;
  /** Mapping behind it; told to the relay in RESUME. */
  readonly mapping: number;
  /** What logs call it. Callers know it once the agent has answered; "" until then. */
  ref: string;
  state: StreamState = "opening";
  events: StreamEvents = NO_EVENTS;
  /** What opened it, until it is answered: to open it again after a loss. Callers only. */
  opening: { type: number; payload: Uint8Array } | null = null;
  /** When something was last sent or received, for reports of quiet streams. */
  touched = 0;
  /** Ends it when one direction is over and nothing passes for HALF_CLOSED_MS. An HTTP exchange is half-closed while its answer is awaited. */
  endsHalfClosed = false;
  /** What its bytes are paced by, if its mapping has a rate. Set before the first byte. */
  pacers: Pacers | null = null;
  #host: StreamHost;
  #wasFull = false;
  /** Bytes, and pieces, that the pacers hold back: out, and in. */
  #delayedOut = 0;
  #delayedIn = 0;
  #finishing = false;
  #finCame = false;

  constructor(host: StreamHost, id: number, init: StreamInit) {
    this.#host = host;
    this.id = id;
    this.lane = init.lane ?? 0;
    this.mapping = init.mapping ?? 0;
    this.ref = init.ref ?? "";
    this.out = new Outgoing(INITIAL_CREDIT);
    this.in = new Incoming(INITIAL_CREDIT);
  }

  /** True once it has ended. */
  get over(): boolean {
    return this.state === "ended";
  }

  /** True once the far end has shown that it has the stream: its ACCEPT may be overtaken by other frames, on another lane. */
  get isKnown(): boolean {
    return this.opening === null || this.in.received > 0 || this.out.consumed > 0;
  }

  /** True while more bytes are welcome; when false, wait for `writable`. Bytes written all the same are kept until there is credit. */
  get isWritable(): boolean {
    const isWritable =
      this.state !== "ended" &&
      !this.finishing &&
      this.#delayedOut === 0 &&
      this.unusedCredit > 0 &&
      this.out.pendingBytes < HUNGRY_BYTES;
    if (!isWritable) this.#wasFull = true;
    return isWritable;
  }

  /** What is known of the path of its datagrams, which all flows of the session share. */
  get datagrams(): Datagrams {
    return this.#host.datagrams;
  }

  /** Bytes that would leave at once, were the session and the lane free. */
  get unusedCredit(): number {
    return Math.max(0, this.out.limit - this.out.sent - this.out.pendingBytes);
  }

  /** Whether it is half-closed and nothing has passed for too long. */
  isAbandoned(now: number): boolean {
    if (!this.endsHalfClosed || (!this.finishing && this.in.finalSize === null)) return false;
    return now - Math.max(this.touched, this.in.consumedAt) > HALF_CLOSED_MS;
  }

  /** True once `finish` was called. */
  get finishing(): boolean {
    return this.#finishing || this.out.finishing;
  }

  /** Hands over a chunk whose first HEADROOM bytes are free; the chunk now belongs to the stream. */
  write(chunk: Uint8Array): void {
    if (this.state === "ended") return;
    if (this.pacers === null) return this.#send(chunk);
    const bytes = chunk.byteLength - HEADROOM;
    this.#delayedOut += bytes;
    this.pacers.out.take(bytes, () => {
      this.#delayedOut -= bytes;
      if (this.state === "ended") return;
      this.#send(chunk);
      if (this.#delayedOut === 0 && this.#finishing) this.#finish();
      this.notifyWritable();
    });
  }

  #send(chunk: Uint8Array): void {
    this.out.push(chunk);
    this.#host.wake(this);
  }

  /** FIN once all that was written is sent. */
  finish(): void {
    if (this.state === "ended" || this.finishing) return;
    this.#finishing = true;
    if (this.#delayedOut === 0) this.#finish();
  }

  #finish(): void {
    this.out.finish();
    this.#host.wake(this);
  }

  /** Flows only: sends one datagram now, or never. `age` in microseconds since it was received. */
  datagram(bytes: Uint8Array, age: number): void {
    if (this.state === "ended") return;
    if (this.pacers?.out.takeNow(bytes.byteLength) === false) return this.events.dropped?.("rate");
    this.#host.datagram(this, bytes, age);
  }

  /** `bytes` more of what `data` gave have been taken by the application. */
  consumed(bytes: number): void {
    if (this.state === "ended") return;
    this.in.consume(bytes, this.#host.now());
    this.#host.consumed(this);
  }

  /** The target is reached. Agents only. */
  accept(accept: Accept): void {
    if (this.state === "opening") this.#host.accept(this, accept);
  }

  /** The target is not reached. Agents only. */
  reject(code: StreamCode, reason: string): void {
    if (this.state === "opening") this.#host.reject(this, { code, reason });
  }

  /** Ends both directions now; the far end hears why. */
  reset(code: StreamCode, reason: string): void {
    if (this.state !== "ended") this.#host.reset(this, { code, reason });
  }

  /** For the session: the agent has reached the target. */
  answered(accept: NamedAccept): void {
    if (this.state !== "opening") return;
    this.ref = accept.ref;
    this.state = "open";
    this.opening = null;
    this.events.accepted?.(accept);
  }

  /** For the session: bytes that came, in order. */
  deliver(bytes: Uint8Array): void {
    if (this.pacers === null) return this.events.data(bytes);
    this.#delayedIn += 1;
    this.pacers.in.take(bytes.byteLength, () => {
      this.#delayedIn -= 1;
      this.events.data(bytes);
      if (this.#delayedIn === 0 && this.#finCame) this.events.fin();
    });
  }

  /** For the session: the far end has said all. */
  deliverFin(): void {
    this.#finCame = true;
    if (this.#delayedIn === 0) this.events.fin();
  }

  /** For the session: a datagram that came. One over the mapping's rate is dropped: it can't wait. */
  deliverDatagram(bytes: Uint8Array, age: number): void {
    if (this.pacers?.in.takeNow(bytes.byteLength) === false) this.events.dropped?.("rate");
    else this.events.datagram?.(bytes, age);
  }

  /** For the session: tells a waiting writer that there is room. */
  notifyWritable(): void {
    if (!this.#wasFull || !this.isWritable) return;
    this.#wasFull = false;
    this.events.writable?.();
  }

  /** For the session: the one ending. */
  end(failure: Failure | null): void {
    if (this.state === "ended") return;
    this.state = "ended";
    const { events } = this;
    this.events = NO_EVENTS;
    events.ended(failure);
  }
}

/** Copies bytes behind HEADROOM, for adapters whose reads can't leave it. */
export function chunkOf(bytes: Uint8Array): Uint8Array {
  const chunk = new Uint8Array(HEADROOM + bytes.byteLength);
  chunk.set(bytes, HEADROOM);
  return chunk;
}
