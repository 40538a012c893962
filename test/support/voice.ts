/** Calls as RTP carries them: 50 packets of 172 bytes a second each way, and what becomes of them. */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

const EVERY_MS = 20;
const PACKET_BYTES = 172;
/** Starts of calls are spread over so many turns of EVERY_MS. */
const TURNS = 20;
const SETTLE_MS = 1_000;

export type Place = { host: string; port: number };

/** Of one direction. Delay is one way, by the one clock of this process; jitter as RFC 3550 has it, over all calls. Milliseconds. */
export type Leg = {
  sent: number;
  lost: number;
  disordered: number;
  delayP50: number;
  delayP99: number;
  jitterMean: number;
  jitterWorstCall: number;
};

/** Talks on all `lines` at once: a visitor who speaks to `at`, and what answers at `target`. */
export async function talk(
  lines: readonly { at: Place; target: Place }[],
  seconds: number,
): Promise<{ in: Leg; out: Leg }> {
  await using stack = new AsyncDisposableStack();
  const calls = await Promise.all(lines.map((line) => Call.begin(line, stack)));
  await sleep(SETTLE_MS);
  const timers: NodeJS.Timeout[] = [];
  for (let turn = 0; turn < TURNS; turn += 1) {
    const some = calls.filter((_, index) => index % TURNS === turn);
    await sleep(EVERY_MS / TURNS);
    timers.push(setInterval(() => some.forEach((call) => call.speak()), EVERY_MS));
  }
  await sleep(seconds * 1000);
  for (const timer of timers) clearInterval(timer);
  await sleep(SETTLE_MS);
  return {
    in: legOf(calls.map(({ heardInside }) => heardInside)),
    out: legOf(calls.map(({ heardOutside }) => heardOutside)),
  };
}

/** What one end hears of the other. */
class Ear {
  sent = 0;
  disordered = 0;
  readonly delays: number[] = [];
  jitter = 0;
  #last: { sequence: number; delay: number } | undefined;

  hear(packet: Buffer): void {
    const sequence = packet.readUInt32BE(0);
    if (sequence === 0) return;
    const delay = performance.now() - packet.readDoubleBE(4);
    this.delays.push(delay);
    // RFC 3550 section 6.4.1: D is the difference of transit times, smoothed by a sixteenth.
    if (this.#last !== undefined) {
      this.jitter += (Math.abs(delay - this.#last.delay) - this.jitter) / 16;
      if (sequence < this.#last.sequence) this.disordered += 1;
    }
    this.#last = { sequence, delay };
  }
}

class Call {
  readonly heardInside = new Ear();
  readonly heardOutside = new Ear();
  readonly #outside: Socket;
  readonly #inside: Socket;
  readonly #at: Place;
  #peer: Place | undefined;

  private constructor(outside: Socket, inside: Socket, at: Place) {
    this.#outside = outside;
    this.#inside = inside;
    this.#at = at;
  }

  /** Opens both ends; resolves when each has heard the other once. */
  static async begin({ at, target }: { at: Place; target: Place }, stack: AsyncDisposableStack): Promise<Call> {
    const [outside, inside] = [
      createSocket({ type: "udp4", recvBufferSize: 1 << 20 }),
      createSocket({ type: "udp4", recvBufferSize: 1 << 20 }),
    ];
    for (const socket of [outside, inside]) stack.defer(() => void socket.close());
    inside.bind(target.port, target.host);
    await once(inside, "listening");
    const call = new Call(outside, inside, at);
    inside.on("message", (packet, from) => {
      call.#peer = { host: from.address, port: from.port };
      // The first opens the flow, and is answered so that its sender knows.
      if (packet.readUInt32BE(0) === 0) inside.send(packet, from.port, from.address);
      call.heardInside.hear(packet);
    });
    const open = once(outside, "message");
    const first = setInterval(() => outside.send(Buffer.alloc(PACKET_BYTES), at.port, at.host), 200);
    await open;
    clearInterval(first);
    outside.on("message", (packet) => call.heardOutside.hear(packet));
    return call;
  }

  /** One packet each way. */
  speak(): void {
    const { port = 0, host = "" } = this.#peer ?? {};
    this.#outside.send(packetOf((this.heardInside.sent += 1)), this.#at.port, this.#at.host);
    this.#inside.send(packetOf((this.heardOutside.sent += 1)), port, host);
  }
}

function packetOf(sequence: number): Buffer {
  const packet = Buffer.alloc(PACKET_BYTES);
  packet.writeUInt32BE(sequence, 0);
  packet.writeDoubleBE(performance.now(), 4);
  return packet;
}

function legOf(ears: readonly Ear[]): Leg {
  const delays = ears.flatMap((ear) => ear.delays).sort((a, b) => a - b);
  const at = (share: number): number =>
    round(delays[Math.min(delays.length - 1, Math.floor(delays.length * share))] ?? 0);
  const sum = (of: (ear: Ear) => number): number => ears.reduce((total, ear) => total + of(ear), 0);
  const sent = sum((ear) => ear.sent);
  return {
    sent,
    lost: sent - delays.length,
    disordered: sum((ear) => ear.disordered),
    delayP50: at(0.5),
    delayP99: at(0.99),
    jitterMean: round(sum((ear) => ear.jitter) / ears.length),
    jitterWorstCall: round(Math.max(...ears.map((ear) => ear.jitter))),
  };
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}
