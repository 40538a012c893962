import type { Datagrams } from "./datagrams.ts";
import type { Failure, StreamCode } from "../wire/errors.ts";
import type { DropReason } from "./flow.ts";
import { HEADROOM } from "../wire/frame.ts";
import { Incoming } from "./incoming.ts";
import { HALF_CLOSED_MS, INITIAL_CREDIT } from "../wire/limits.ts";
import type { Accept, NamedAccept } from "../wire/open.ts";
import { Outgoing } from "./outgoing.ts";
import type { Pacers } from "./pacer.ts";

/** Events of a stream, for the adapter between it and a socket. None comes after `ended`. */
export type StreamEvents = {
  /** The agent has reached the target. Callers only. */
  accepted?: (accept: Accept) => void;
  /** Bytes, in order, each once. Call `consumed(bytes.byteLength)` once they are written on. */
  data: (bytes: Uint8Array) => void;
  /** The far end has sent FIN, and every byte before it has been given to `data`. */
  fin: () => void;
  /** One datagram, and its age in microseconds so far. Never sent again, never charged. Flows only. */
  datagram?: (bytes: Uint8Array, age: number) => void;
  /** A datagram was dropped at this end, in either direction. Flows only. */
  dropped?: (reason: DropReason) => void;
  /** The stream takes bytes again after `isWritable` was false. */
  writable?: () => void;
  /** Comes exactly once. Null when both directions ended in order and every byte was consumed. */
  ended: (failure: Failure | null) => void;
};

/** The part of a session that its streams call. */
export type StreamHost = {
  readonly datagrams: Datagrams;
  /** Monotonic milliseconds. */
  now: () => number;
  /** The stream may have become able to send. */
  wake: (stream: Stream) => void;
  consumed: (stream: Stream) => void;
  accept: (stream: Stream, accept: Accept) => void;
  reject: (stream: Stream, failure: Failure) => void;
  reset: (stream: Stream, failure: Failure) => void;
  datagram: (stream: Stream, bytes: Uint8Array, age: number) => void;
};

export type StreamInit = { lane?: number; mapping?: number; ref?: string };

export type StreamState = "opening" | "open" | "ended";

/** Bytes that wait to be sent below which a stream is writable. The next read of a socket may come on top of them. */
const HUNGRY_BYTES = 32 * 1024;

const NO_EVENTS: StreamEvents = { data: () => {}, fin: () => {}, ended: () => {} };

/** One end of a visitor's connection or HTTP exchange, or of one UDP peer's flow. Its methods do nothing once it has ended. */
export class Stream {
  readonly id: number;
  /** The lane of all its frames. It changes only when that lane is lost. */
  lane: number;
  readonly out: Outgoing;
  readonly in: Incoming;
  /** Id of its mapping, sent in RESUME. */
  readonly mapping: number;
  /** Its name in logs. "" at callers until the agent has answered. */
  ref: string;
  state: StreamState = "opening";
  events: StreamEvents = NO_EVENTS;
  /** The frame that opened it, kept until it is answered: it is sent again after a loss. Callers only. */
  opening: { type: number; payload: Uint8Array } | null = null;
  /** When a frame was last sent or received, in monotonic milliseconds. */
  touched = 0;
  /**
   * Whether it is reset when one direction is over and no byte passes for HALF_CLOSED_MS. False for HTTP, which is half-closed
   * while it waits for the answer.
   */
  endsHalfClosed = false;
  /** Pacers of its mapping, if that has a rate. Set before the first byte. */
  pacers: Pacers | null = null;
  #host: StreamHost;
  #wasFull = false;
  /** Bytes, and chunks received, that the pacers delay. */
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

  /** True once a frame has come that shows that the far end has the stream. Frames on another lane may overtake its ACCEPT. */
  get isKnown(): boolean {
    return this.opening === null || this.in.received > 0 || this.out.consumed > 0;
  }

  /** True while the stream takes more bytes; when false, wait for `writable`. Bytes written all the same wait for credit. */
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

  /** The session's datagrams, which all its flows share. */
  get datagrams(): Datagrams {
    return this.#host.datagrams;
  }

  /** Credit that the bytes waiting to be sent don't use up. */
  get unusedCredit(): number {
    return Math.max(0, this.out.limit - this.out.sent - this.out.pendingBytes);
  }

  /** Whether it is half-closed and no byte has passed for HALF_CLOSED_MS. `now` in monotonic milliseconds. */
  isAbandoned(now: number): boolean {
    if (!this.endsHalfClosed || (!this.finishing && this.in.finalSize === null)) return false;
    return now - Math.max(this.touched, this.in.consumedAt) > HALF_CLOSED_MS;
  }

  /** True once `finish` was called. */
  get finishing(): boolean {
    return this.#finishing || this.out.finishing;
  }

  /** Sends a chunk whose first HEADROOM bytes are free for a header. The chunk now belongs to the stream. */
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

  /** Sends FIN once every written byte is sent. */
  finish(): void {
    if (this.state === "ended" || this.finishing) return;
    this.#finishing = true;
    if (this.#delayedOut === 0) this.#finish();
  }

  #finish(): void {
    this.out.finish();
    this.#host.wake(this);
  }

  /** Sends one datagram now, or drops it. `age` in microseconds since it was received. Flows only. */
  datagram(bytes: Uint8Array, age: number): void {
    if (this.state === "ended") return;
    if (this.pacers?.out.takeNow(bytes.byteLength) === false) return this.events.dropped?.("rate");
    this.#host.datagram(this, bytes, age);
  }

  /** Notes that the application has taken `bytes` more. */
  consumed(bytes: number): void {
    if (this.state === "ended") return;
    this.in.consume(bytes, this.#host.now());
    this.#host.consumed(this);
  }

  /** Accepts the stream: the target is reached. Agents only. */
  accept(accept: Accept): void {
    if (this.state === "opening") this.#host.accept(this, accept);
  }

  /** Refuses the stream. Agents only. */
  reject(code: StreamCode, reason: string): void {
    if (this.state === "opening") this.#host.reject(this, { code, reason });
  }

  /** Ends both directions now, and sends RESET with the reason. */
  reset(code: StreamCode, reason: string): void {
    if (this.state !== "ended") this.#host.reset(this, { code, reason });
  }

  /** For the session: takes ACCEPT. */
  answered(accept: NamedAccept): void {
    if (this.state !== "opening") return;
    this.ref = accept.ref;
    this.state = "open";
    this.opening = null;
    this.events.accepted?.(accept);
  }

  /** For the session: delivers bytes, in order. */
  deliver(bytes: Uint8Array): void {
    if (this.pacers === null) return this.events.data(bytes);
    this.#delayedIn += 1;
    this.pacers.in.take(bytes.byteLength, () => {
      this.#delayedIn -= 1;
      this.events.data(bytes);
      if (this.#delayedIn === 0 && this.#finCame) this.events.fin();
    });
  }

  /** For the session: delivers the end of the far end's bytes. */
  deliverFin(): void {
    this.#finCame = true;
    if (this.#delayedIn === 0) this.events.fin();
  }

  /** For the session: delivers a datagram, or drops it beyond the mapping's rate. */
  deliverDatagram(bytes: Uint8Array, age: number): void {
    if (this.pacers?.in.takeNow(bytes.byteLength) === false) this.events.dropped?.("rate");
    else this.events.datagram?.(bytes, age);
  }

  /** For the session: notifies a waiting writer if the stream takes bytes again. */
  notifyWritable(): void {
    if (!this.#wasFull || !this.isWritable) return;
    this.#wasFull = false;
    this.events.writable?.();
  }

  /** For the session: ends the stream. */
  end(failure: Failure | null): void {
    if (this.state === "ended") return;
    this.state = "ended";
    const { events } = this;
    this.events = NO_EVENTS;
    events.ended(failure);
  }
}

/** Copies bytes into a chunk with HEADROOM, for adapters that can't read into one. */
export function chunkOf(bytes: Uint8Array): Uint8Array {
  const chunk = new Uint8Array(HEADROOM + bytes.byteLength);
  chunk.set(bytes, HEADROOM);
  return chunk;
}
