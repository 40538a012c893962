import { createHash } from "node:crypto";
import { LATE_MS, type FlowView } from "./messages.ts";

const HEAD = 16;
/** Bytes of datagrams: voice to nearly a frame of Ethernet. */
const LEAST = 60;
const MOST = 1_200;

/** Milliseconds between two datagrams of a flow, each way. */
export const SPEAK_MS = 50;

/** One end of a flow: numbers and dates what it sends, and judges what it hears. */
export class FlowEnd {
  readonly id: number;
  readonly #send: (bytes: Buffer) => void;
  readonly #heard = new Set<number>();
  readonly #peers = new Set<string>();
  readonly #timer: NodeJS.Timeout;
  #sent = 0;
  #doubled = 0;
  #wrong = 0;
  #oldestMs = 0;
  #late = 0;
  #newest = 0;

  constructor(id: number, send: (bytes: Buffer) => void) {
    this.id = id;
    this.#send = send;
    this.#timer = setInterval(() => this.#speak(), SPEAK_MS);
  }

  get view(): FlowView {
    return {
      id: this.id,
      sent: this.#sent,
      received: this.#heard.size,
      doubled: this.#doubled,
      wrong: this.#wrong,
      oldestMs: Math.round(this.#oldestMs),
      late: this.#late,
      newest: this.#newest,
      peers: this.#peers.size,
    };
  }

  hear(bytes: Buffer, from: string): void {
    this.#peers.add(from);
    if (bytes.length < HEAD) {
      this.#wrong += 1;
      return;
    }
    const number = bytes.readUInt32BE(4);
    const at = bytes.readDoubleBE(8);
    if (!bytes.equals(datagram(this.id, number, at))) {
      this.#wrong += 1;
      return;
    }
    if (this.#heard.has(number)) this.#doubled += 1;
    this.#heard.add(number);
    const ageMs = clock() - at;
    this.#oldestMs = Math.max(this.#oldestMs, ageMs);
    if (ageMs > LATE_MS) this.#late += 1;
    this.#newest = Math.max(this.#newest, at);
  }

  silence(): void {
    clearInterval(this.#timer);
  }

  #speak(): void {
    this.#sent += 1;
    this.#send(datagram(this.id, this.#sent, clock()));
  }
}

/** The flow that a datagram belongs to. */
export function flowOf(bytes: Buffer): number {
  return bytes.readUInt32BE(0);
}

/** Milliseconds of the clock that all processes of this machine share. */
export function clock(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** A datagram whose length and content follow from its number and time. */
function datagram(id: number, number: number, at: number): Buffer {
  const bytes = Buffer.alloc(LEAST + ((number * 97) % (MOST - LEAST)));
  bytes.writeUInt32BE(id, 0);
  bytes.writeUInt32BE(number, 4);
  bytes.writeDoubleBE(at, 8);
  const seed = createHash("sha256").update(bytes.subarray(0, HEAD)).digest();
  for (let from = HEAD; from < bytes.length; from += seed.length) seed.copy(bytes, from);
  return bytes;
}
