import { decodeFrame, type Frame } from "../../shared/wire/frame.ts";
import { Keepalive } from "../../shared/session/keepalive.ts";
import { LaneSet } from "../../shared/session/lane-set.ts";
import { DEAD_MS, MAX_DATA } from "../../shared/wire/limits.ts";
import { Wire } from "./world-wire.ts";

/** As in link/: lanes of one end, milliseconds between two looks, and for a dial, one that replaces a lane, and its HELLO. */
export const LANES = 3;
const LOOK_MS = 500;
const DIAL_MS = 10_000;
const REDIAL_MS = 3_000;
/** Milliseconds between two dials at most, while streams may wait. */
const BACKOFF_MS = 8_000;

/** What an end's sessions do about its lanes. */
export type Sessions = {
  readonly waiting: boolean;
  readonly streams: number;
  welcome: () => void;
  suspend: () => void;
  lost: (lane: number) => void;
  receive: (frame: Frame) => void;
  pump: () => void;
  tick: () => void;
  wakeRelay: () => void;
};

type Lane = { wire: Wire; keepalive: Keepalive; early: Frame[] | null };
type Attempt = { wire: Wire; until: number };

/** The process of an agent or a client: it dials lanes, judges them, and dials again, as link/lanes.ts does. */
export class End {
  readonly kind: "agent" | "caller";
  readonly wires: Wire[] = [];
  readonly #sessions: Sessions;
  readonly #random: () => number;
  readonly #lanes = new LaneSet<Lane>();
  readonly #attempts = new Map<number, Attempt>();
  readonly #retryAt = new Map<number, number>();
  /** Lanes that have not answered for long: another is dialled. */
  readonly #suspects = new Set<number>();
  /** A process that is stopped neither reads nor looks until then. */
  stoppedUntil = 0;
  /** Lanes that are not dialled. */
  readonly held = new Set<number>();
  #now = 0;
  #lookAt = 0;
  #tickAt = 0;
  #sentAt = 0;

  constructor(kind: "agent" | "caller", sessions: Sessions, random: () => number) {
    this.kind = kind;
    this.#sessions = sessions;
    this.#random = random;
  }

  get connected(): boolean {
    return this.#lanes.size > 0;
  }

  send(bytes: Uint8Array, lane: number): void {
    // A copy, as a socket makes one: headers in kept chunks are rewritten later.
    this.#lanes.at(lane)?.wire.send("up", { kind: "frame", bytes: bytes.slice() }, this.#arrival());
    this.#sentAt = this.#now;
  }

  room(lane: number): number {
    return this.#lanes.at(lane) === undefined ? 0 : MAX_DATA;
  }

  dataLane(): number {
    return this.#lanes.nextData();
  }

  /** Reads what has arrived, and does what is due. `isDark`: nothing comes to this end now. */
  step(now: number, isDark: boolean): void {
    this.#now = now;
    if (now < this.stoppedUntil) return;
    if (!isDark) for (const wire of [...this.wires]) this.#read(wire);
    if (now >= this.#lookAt) {
      this.#lookAt = now + LOOK_MS;
      this.#look();
    }
    this.#dial();
    if (now >= this.#tickAt) {
      this.#tickAt = now + 1_000;
      this.#sessions.tick();
      if (this.#sessions.streams > 0 && now - this.#sentAt >= DEAD_MS) this.#sessions.wakeRelay();
    }
    this.#sessions.pump();
  }

  #arrival(): number {
    return this.#now + 5 + Math.floor(this.#random() * 40);
  }

  #read(wire: Wire): void {
    for (let message = wire.take("down", this.#now); message !== undefined; message = wire.take("down", this.#now)) {
      const lane = this.#laneOf(wire);
      lane?.keepalive.received(this.#now, message.kind === "pong");
      if (lane !== undefined) this.#suspects.delete(wire.index);
      if (message.kind === "welcome") this.#welcomed(wire);
      else if (message.kind === "close") this.#closed(wire);
      else if (message.kind === "frame" && lane !== undefined) this.#sessions.receive(decodeFrame(message.bytes));
    }
  }

  #laneOf(wire: Wire): Lane | undefined {
    if (!this.#lanes.has(wire.index)) return undefined;
    const lane = this.#lanes.at(wire.index);
    return lane?.wire === wire ? lane : undefined;
  }

  #welcomed(wire: Wire): void {
    const { index } = wire;
    if (this.#attempts.get(index)?.wire !== wire) return;
    this.#attempts.delete(index);
    const former = this.#lanes.has(index) ? this.#lanes.at(index) : undefined;
    const keepalive = new Keepalive(this.#now, this.#random());
    const arrival = this.#lanes.enter(index, { wire, keepalive, early: null });
    if (arrival === "first") this.#sessions.welcome();
    if (arrival === "again") this.#sessions.lost(index);
    former?.wire.send("up", { kind: "close" }, this.#arrival());
  }

  #closed(wire: Wire): void {
    wire.send("up", { kind: "close" }, this.#arrival());
    const { index } = wire;
    if (this.#attempts.get(index)?.wire === wire) this.#attempts.delete(index);
    if (this.#laneOf(wire) === undefined) return;
    this.#lanes.leave(index);
    this.#suspects.delete(index);
    this.#retryAt.set(index, this.#now + this.#random() * 400);
    if (this.connected) this.#sessions.lost(index);
    else this.#sessions.suspend();
  }

  #look(): void {
    const waiting = this.#sessions.waiting;
    for (const [index, { wire, keepalive }] of [...this.#lanes.all]) {
      const { ping, suspect, dead } = keepalive.check(this.#now, this.#now, waiting);
      if (dead) {
        this.#closed(wire);
        continue;
      }
      if (ping) wire.send("up", { kind: "ping" }, this.#arrival());
      if (suspect) this.#suspects.add(index);
    }
  }

  #dial(): void {
    for (let index = 0; index < LANES; index += 1) {
      if (this.held.has(index)) continue;
      const attempt = this.#attempts.get(index);
      if (attempt !== undefined) {
        if (this.#now < attempt.until) continue;
        attempt.wire.send("up", { kind: "close" }, this.#arrival());
        this.#attempts.delete(index);
        this.#retryAt.set(index, this.#now + this.#random() * BACKOFF_MS);
      }
      const replaces = this.#lanes.has(index) && this.#suspects.has(index);
      const isDue = this.#now >= (this.#retryAt.get(index) ?? 0);
      // Only lane 0 dials while there is no lane; the others follow it.
      if ((this.#lanes.has(index) || !isDue || (index > 0 && !this.connected)) && !replaces) continue;
      this.#lanes.dialling(index);
      const wire = new Wire(this.kind, index);
      this.wires.push(wire);
      wire.send("up", { kind: "hello", alone: !this.connected }, this.#arrival());
      this.#attempts.set(index, { wire, until: this.#now + (replaces ? REDIAL_MS : DIAL_MS) });
    }
  }
}
