/**
 * A link between an agent and its edge, as a process: a TCP proxy that delays, limits the rate, resets and goes dark.
 * Words: listen address, target address, milliseconds each way, bytes a second (0: as they come).
 * Prints `ready`; each line of standard input is a command: `reset`, `dark`, `heal`.
 */
import net from "node:net";
import { createInterface } from "node:readline";
import { hostPort } from "../harness/peer.ts";

const [listen = "", target = "", delayText = "0", rateText = "0"] = process.argv.slice(2);
const delay = Number(delayText);
const rate = Number(rateText) / 1000;
/** Bytes in one direction at most: what the link holds, and a queue of 50 ms before it. */
const most = rate === 0 ? 64 * 2 ** 20 : Math.max(256 * 1024, rate * (delay + 50));

const ways = new Set<Way>();
const pairs = new Set<readonly [net.Socket, net.Socket]>();
let dark = false;

/** All of one direction shares the rate. */
const busyUntil = [0, 0];

class Way {
  readonly #from: net.Socket;
  readonly #to: net.Socket;
  readonly #index: number;
  #held: { bytes: Buffer; at: number }[] = [];
  #heldBytes = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(from: net.Socket, to: net.Socket, index: number) {
    this.#from = from;
    this.#to = to;
    this.#index = index;
    from.on("data", (bytes: Buffer) => this.#take(bytes));
    from.on("end", () => this.#take(Buffer.alloc(0)));
  }

  #take(bytes: Buffer): void {
    const now = performance.now();
    const free = Math.max(now, busyUntil[this.#index] ?? 0) + (rate === 0 ? 0 : bytes.byteLength / rate);
    busyUntil[this.#index] = free;
    this.#held.push({ bytes, at: free + delay });
    this.#heldBytes += bytes.byteLength;
    if (this.#heldBytes >= most) this.#from.pause();
    this.pass();
  }

  /** Lets through what has arrived at the far end by now. */
  pass(): void {
    if (dark) return;
    const now = performance.now();
    let first = this.#held[0];
    while (first !== undefined && first.at <= now + 0.2) {
      this.#held.shift();
      this.#heldBytes -= first.bytes.byteLength;
      if (first.bytes.byteLength === 0) this.#to.end();
      else this.#to.write(first.bytes);
      first = this.#held[0];
    }
    if (this.#heldBytes < most / 2 || this.#heldBytes === 0) this.#from.resume();
    clearTimeout(this.#timer);
    if (first !== undefined) this.#timer = setTimeout(() => this.pass(), Math.max(0, first.at - now));
  }
}

const server = net.createServer({ noDelay: true, allowHalfOpen: true }, (near) => {
  const far = net.connect({ ...hostPort(target), noDelay: true, allowHalfOpen: true });
  const pair = [near, far] as const;
  pairs.add(pair);
  const both = [new Way(near, far, 0), new Way(far, near, 1)];
  for (const way of both) ways.add(way);
  for (const [socket, other] of [
    [near, far],
    [far, near],
  ] as const) {
    socket.on("error", () => {});
    socket.on("close", () => {
      pairs.delete(pair);
      for (const way of both) ways.delete(way);
      other.destroy();
    });
  }
});

createInterface({ input: process.stdin }).on("line", (command) => {
  if (command === "reset") for (const pair of pairs) for (const socket of pair) socket.resetAndDestroy();
  dark = command === "dark" || (dark && command !== "heal");
  if (command === "heal") for (const way of ways) way.pass();
});
server.listen(hostPort(listen), () => console.log("ready"));
