import dgram from "node:dgram";
import { setTimeout as pause } from "node:timers/promises";
import { hostPort } from "../harness/peer.ts";
import type { Reading } from "../harness/rounds.ts";
import { percentile } from "../harness/stats.ts";

export const CALLS = 100;
export const PAYLOAD_BYTES = 172;
const EVERY_MS = 20;
/** What has not come back by then is lost. */
const LATE_MS = 1_000;

/** A hundred calls of fifty packets a second each way, through an echo. Their flows live from one reading to the next. */
export class Calls implements Disposable {
  readonly #sockets: dgram.Socket[];
  readonly #port: number;
  readonly #host: string;
  #times: number[] = [];
  /** Those of an earlier reading come too late. */
  #reading = 0;

  constructor(at: string) {
    ({ host: this.#host, port: this.#port } = hostPort(at));
    this.#sockets = Array.from({ length: CALLS }, () => {
      const socket = dgram.createSocket("udp4");
      socket.on("message", (bytes) => {
        if (bytes.readUInt32BE(8) === this.#reading) this.#times.push(performance.now() - bytes.readDoubleBE());
      });
      return socket.on("error", () => {});
    });
  }

  /** Speaks for so many seconds: packets, the part that was lost, and milliseconds there and back. */
  async speak(seconds: number): Promise<Reading> {
    this.#reading += 1;
    this.#times = [];
    let sent = 0;
    const say = (socket: dgram.Socket): void => {
      const bytes = Buffer.alloc(PAYLOAD_BYTES);
      bytes.writeDoubleBE(performance.now());
      bytes.writeUInt32BE(this.#reading, 8);
      socket.send(bytes, this.#port, this.#host);
      sent += 1;
    };
    const timers = this.#sockets.map((socket, index) =>
      setTimeout(() => timers.push(setInterval(() => say(socket), EVERY_MS)), (index * EVERY_MS) / CALLS),
    );
    await pause(seconds * 1000);
    for (const timer of timers) clearInterval(timer);
    for (const late = performance.now() + LATE_MS; this.#times.length < sent && performance.now() < late;)
      await pause(20);
    const times = this.#times;
    return {
      sent,
      loss: Math.max(0, 1 - times.length / sent) * 100,
      p50: percentile(times, 50),
      p99: percentile(times, 99),
      jitter: percentile(times, 99) - percentile(times, 50),
    };
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets) socket.close();
  }
}
