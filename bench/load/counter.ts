import net from "node:net";
import { hostPort } from "../harness/peer.ts";

/** A stream of numbers, one every few milliseconds, through an echo: what came back, when, and whether it is complete. */
export class Counter implements Disposable {
  /** Of each number that came back: when it was sent, and when it came. */
  readonly arrivals: { sent: number; came: number }[] = [];
  /** Numbers that came twice, out of order, or wrong. */
  wrong = 0;
  over = false;
  readonly #sent: number[] = [];
  readonly #socket: net.Socket;
  readonly #timer: NodeJS.Timeout;
  #rest = Buffer.alloc(0);

  constructor(at: string, everyMs: number) {
    this.#socket = net.connect({ ...hostPort(at), noDelay: true });
    this.#socket.on("error", () => {});
    this.#socket.on("close", () => (this.over = true));
    this.#socket.on("data", (bytes: Buffer) => this.#take(bytes));
    this.#timer = setInterval(() => {
      const number = Buffer.alloc(4);
      number.writeUInt32BE(this.#sent.length);
      this.#sent.push(performance.now());
      this.#socket.write(number);
    }, everyMs);
  }

  /** Numbers sent that have not come back. */
  get missing(): number {
    return this.#sent.length - this.arrivals.length;
  }

  /** Milliseconds from `since` until something came back; null when nothing has. */
  backAfter(since: number): number | null {
    const first = this.arrivals.find(({ came }) => came >= since);
    return first === undefined ? null : first.came - since;
  }

  /** Milliseconds of the longest silence after `since`. */
  longestGap(since: number): number {
    const times = this.arrivals.map(({ came }) => came).filter((came) => came >= since);
    return Math.max(0, ...times.map((came, index) => came - (times[index - 1] ?? since)));
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  [Symbol.dispose](): void {
    this.stop();
    this.#socket.destroy();
  }

  #take(bytes: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    while (this.#rest.byteLength >= 4) {
      if (this.#rest.readUInt32BE() !== this.arrivals.length) this.wrong += 1;
      this.arrivals.push({ sent: this.#sent[this.arrivals.length] ?? 0, came: performance.now() });
      this.#rest = this.#rest.subarray(4);
    }
  }
}
