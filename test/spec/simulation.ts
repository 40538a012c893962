import { decodeFrame, FLAG_MORE, stamp, TYPE, type Frame } from "../../shared/wire/frame.ts";
import { GRACE_MS, MAX_DATA, DEFAULT_DATA } from "../../shared/wire/limits.ts";
import { encodeDial } from "../../shared/wire/open.ts";
import { decodeResume, Secret, type StreamRecord } from "../../shared/wire/resume.ts";
import { Session } from "../../shared/session/session.ts";
import type { Stream } from "../../shared/session/stream.ts";
import { dice } from "./dice.ts";
import { DIAL, WINDOW } from "./pair.ts";
import { finish, listen, side, take, write, type Both, type Way } from "./traffic.ts";

// One caller, one relay and one agent, in a world that a seed decides: frames are delayed on three lanes, paths are cut,
// half-cut and darkened, frames of dead paths arrive late, either end restarts, the relay forgets. All of it is checked:
// every byte, in order, once; one ending for each stream; no session broken; nothing left behind.

const LANES = 3;
const MOST_STREAMS = 6;

type Sent = { bytes: Uint8Array; at: number; path: number };

/** Two sessions that belong together, from SESSION to the end of either process. */
type Generation = {
  caller: Session;
  agent: Session;
  all: Both[];
  pages: StreamRecord[];
  callerLives: boolean;
  agentLives: boolean;
};

export class Simulation {
  readonly #random: () => number;
  readonly #lanes: Record<Way, Sent[]>[] = Array.from({ length: LANES }, () => ({ up: [], down: [] }));
  readonly #dark = new Set<string>();
  readonly #former: Generation[] = [];
  #now = 0;
  /** Numbers of the relay: another path, another channel and slot. */
  #path = 1;
  #connected = true;
  #serials = 0;
  #current: Generation;
  #problem: string | undefined;

  constructor(seed: number) {
    this.#random = dice(seed);
    this.#current = this.#generation();
  }

  /** Lives so many steps, then mends everything and waits for the end. Throws on the first thing that is wrong. */
  run(steps: number): void {
    for (let step = 0; step < steps; step += 1) {
      this.#step();
      this.#check();
    }
    this.#settle();
  }

  #step(): void {
    const both = this.#any();
    switch (this.#below(26)) {
      case 0:
      case 1:
        if (this.#current.all.filter(({ near }) => near.endings === 0).length < MOST_STREAMS) this.#open();
        break;
      case 2:
      case 3:
      case 4:
        if (both !== undefined) write(both, both.stream, "up", () => this.#size());
        break;
      case 5:
      case 6:
      case 7:
        if (both?.far !== undefined) write(both, both.far, "down", () => this.#size());
        break;
      case 8:
      case 9:
        if (both !== undefined) take(both.stream, both.near, this.#below(200_000));
        break;
      case 10:
      case 11:
        if (both?.far !== undefined) take(both.far, both.agent, this.#below(200_000));
        break;
      case 12:
        if (both !== undefined && this.#below(3) === 0) finish(both.stream, both.near);
        break;
      case 13:
        if (both?.far !== undefined && this.#below(3) === 0) finish(both.far, both.agent);
        break;
      case 14:
        if (both !== undefined && this.#below(6) === 0) this.#reset(both);
        break;
      case 15:
        this.#fault();
        break;
      case 16:
      case 17:
        if (!this.#connected) this.#reconnect();
        break;
      case 18:
        this.#now += this.#below(1_500);
        this.#tick();
        break;
      default:
        this.#now += this.#below(60);
        this.#deliver(1 + this.#below(12));
    }
  }

  #fault(): void {
    switch (this.#below(9)) {
      case 0:
      case 1:
        return this.#cut();
      case 2:
        // One lane is lost; the caller chooses another, and both ends settle what was on its way.
        if (this.#connected) {
          const lane = 1 + this.#below(LANES - 1);
          this.#lose(lane, this.#below(2) === 0);
          this.#current.caller.move(lane, this.#below(LANES));
        }
        return;
      case 3:
        // Half-cut: one direction of one lane stands still.
        this.#dark.add(`${this.#below(LANES)} ${this.#below(2) === 0 ? "up" : "down"}`);
        return;
      case 4:
        for (let lane = 0; lane < LANES; lane += 1) for (const way of ["up", "down"]) this.#dark.add(`${lane} ${way}`);
        return;
      case 5:
        this.#dark.clear();
        return;
      case 6:
        if (this.#below(6) === 0) this.#restartAgent();
        return;
      case 7:
        if (this.#below(6) === 0) this.#restartCaller();
        return;
      default:
        // The relay is made anew: what it had queued is gone, and so are its numbers.
        this.#cut(true);
    }
  }

  /** The path is lost. The ends notice together, or the agent not at all. */
  #cut(forgets = false): void {
    const late = !forgets && this.#below(4) === 0;
    for (let lane = 0; lane < LANES; lane += 1) this.#lose(lane, late);
    this.#dark.clear();
    this.#connected = false;
    const { caller, agent } = this.#current;
    caller.suspend();
    if (forgets || this.#below(3) > 0) agent.suspend();
  }

  #reconnect(): void {
    this.#connected = true;
    // The relay may know the caller still, or give it another number.
    if (this.#below(3) > 0) this.#path += 1;
    this.#current.caller.resume({ channel: this.#path, slot: this.#path });
  }

  /** Frames on their way are lost; or they were received already, by a socket that nobody has read yet, and come late. */
  #lose(lane: number, late: boolean): void {
    const queues = this.#lanes[lane]!;
    for (const way of ["up", "down"] as const) {
      queues[way] = late ? queues[way].map((sent) => ({ ...sent, at: sent.at + 2_000 })) : [];
    }
  }

  #restartAgent(): void {
    const generation = this.#current;
    generation.agentLives = false;
    generation.caller.close("done", { code: "lost", reason: "the agent was restarted" });
    this.#renew(generation);
  }

  #restartCaller(): void {
    const generation = this.#current;
    generation.callerLives = false;
    generation.agent.suspend();
    this.#renew(generation);
  }

  #renew(generation: Generation): void {
    this.#former.push(generation);
    for (let lane = 0; lane < LANES; lane += 1) this.#lose(lane, false);
    this.#dark.clear();
    this.#path += 1;
    this.#connected = true;
    this.#current = this.#generation();
  }

  #generation(): Generation {
    const id = Uint8Array.from({ length: 16 }, () => this.#below(256));
    const key = Uint8Array.from({ length: 32 }, () => this.#below(256));
    const io = (way: Way) => ({
      send: (bytes: Uint8Array, lane: number) => this.#send(way, bytes, lane, generation),
      maxFrame: () => MAX_DATA,
      now: () => this.#now,
    });
    const over = (end: "callerLives" | "agentLives") => (code: string, reason: string) => {
      if (generation.callerLives && generation.agentLives) this.#problem ??= `${end}: ${code}: ${reason}`;
    };
    const caller = new Session({
      role: "caller",
      to: { channel: this.#path, slot: this.#path },
      io: io("up"),
      secret: new Secret(id, key),
      ended: over("callerLives"),
    });
    const agent = new Session({
      role: "agent",
      to: { channel: this.#path, slot: this.#path },
      io: io("down"),
      secret: new Secret(id, key),
      dial: (stream) => this.#dialled(generation, stream),
      ended: over("agentLives"),
    });
    const generation: Generation = { caller, agent, all: [], pages: [], callerLives: true, agentLives: true };
    caller.grantWindow(WINDOW, false);
    agent.setSendWindow(WINDOW);
    agent.grantWindow(WINDOW, false);
    caller.setSendWindow(WINDOW);
    return generation;
  }

  #send(way: Way, bytes: Uint8Array, lane: number, generation: Generation): void {
    if (generation !== this.#current || !this.#connected) return;
    const queue = this.#lanes[lane]![way];
    const before = queue.at(-1)?.at ?? 0;
    // A copy, as a socket makes one: headers in kept chunks are rewritten later.
    const copy = bytes.slice();
    queue.push({ bytes: copy, at: Math.max(before, this.#now + this.#below(80)), path: this.#path });
  }

  /** Delivers up to `most` frames that are due, each lane in its order. */
  #deliver(most: number): void {
    for (let count = 0; count < most; count += 1) {
      const lane = this.#below(LANES);
      const way: Way = this.#below(2) === 0 ? "up" : "down";
      if (this.#dark.has(`${lane} ${way}`)) continue;
      const queue = this.#lanes[lane]![way];
      if (queue[0] === undefined || queue[0].at > this.#now) continue;
      const { bytes, path } = queue.shift()!;
      // The relay stamps; ends look sessions up by it, so frames of other numbers reach nobody.
      stamp(bytes, { channel: path, slot: path });
      if (way === "up") this.#toAgent(decodeFrame(bytes), path);
      else if (path === this.#current.caller.to.slot) this.#current.caller.receive(decodeFrame(bytes));
    }
  }

  #toAgent(frame: Frame, path: number): void {
    const { agent } = this.#current;
    if (frame.type !== TYPE.RESUME) {
      if (path === agent.to.channel) agent.receive(frame);
      return;
    }
    const resume = decodeResume(frame.payload);
    const records = [...this.#current.pages, ...resume.records];
    this.#current.pages = (frame.flags & FLAG_MORE) === 0 ? [] : records;
    if ((frame.flags & FLAG_MORE) !== 0) return;
    const outcome = agent.acceptResume({ channel: path, slot: path }, frame.offset, resume.proof, records);
    if (outcome === "refused") this.#problem ??= `RESUME of epoch ${frame.offset} was refused`;
  }

  #tick(): void {
    for (const generation of [...this.#former, this.#current]) {
      if (generation.callerLives) generation.caller.tick();
      if (generation.agentLives) generation.agent.tick();
    }
  }

  #open(): void {
    this.#serials += 1;
    const lane = this.#below(LANES);
    const stream = this.#current.caller.open(TYPE.DIAL, encodeDial(DIAL), { mapping: DIAL.mapping, lane });
    const both: Both = { serial: this.#serials, stream, far: undefined, near: side(), agent: side(), isReset: false };
    this.#current.all.push(both);
    this.#listen(both, stream, "down", this.#current);
  }

  #dialled(generation: Generation, stream: Stream): void {
    const both = generation.all.find((each) => each.stream.id === stream.id);
    if (both === undefined) return void (this.#problem ??= `stream ${stream.id} was never opened`);
    if (both.far !== undefined) return void (this.#problem ??= `stream ${stream.id} was dialled twice`);
    both.far = stream;
    this.#listen(both, stream, "up", generation);
    stream.accept({ target: "", local: "" });
  }

  #listen(both: Both, stream: Stream, way: Way, generation: Generation): void {
    listen(
      both,
      stream,
      way,
      (problem) => (this.#problem ??= problem),
      () => both.isReset || generation !== this.#current || !generation.agentLives,
    );
  }

  #size(): number {
    return 1 + (this.#below(8) === 0 ? this.#below(DEFAULT_DATA) : this.#below(3_000));
  }

  #reset(both: Both): void {
    both.isReset = true;
    const stream = this.#below(2) === 0 ? both.stream : (both.far ?? both.stream);
    stream.reset("visitor-gone", "gone");
  }

  #check(): void {
    const { caller, agent } = this.#current;
    for (const [name, session] of Object.entries({ caller, agent })) {
      const { sent } = session.outstanding;
      if (sent < 0 || sent > WINDOW + MAX_DATA) this.#problem ??= `the ${name} has a charge of ${sent} outstanding`;
    }
    if (this.#problem !== undefined) throw new Error(this.#problem);
  }

  /** Everything is mended; all that is left is said and taken. */
  #settle(): void {
    this.#dark.clear();
    if (!this.#connected) this.#reconnect();
    const { all, caller, agent } = this.#current;
    const isOver = (): boolean =>
      all.every(({ near, far, agent: there }) => near.endings > 0 && (far === undefined || there.endings > 0));
    for (let turn = 0; turn < 3_000 && !isOver(); turn += 1) {
      this.#now += 100;
      if (turn % 10 === 0) this.#tick();
      this.#deliver(200);
      for (const { stream, far, near, agent: there } of all) {
        take(stream, near, near.untaken);
        finish(stream, near);
        if (far === undefined) continue;
        take(far, there, there.untaken);
        finish(far, there);
      }
      this.#check();
    }
    this.#now += GRACE_MS + 1;
    for (const generation of this.#former) if (generation.agentLives) generation.agent.tick();
    this.#check();
    const left = {
      unended: all.filter(
        ({ near, far, agent: there }) => near.endings !== 1 || (far !== undefined && there.endings !== 1),
      ).length,
      unsaid: all.filter(
        ({ isReset, near, agent: there }) => !isReset && (there.heard !== near.written || near.heard !== there.written),
      ).length,
      streams: caller.streams.size + agent.streams.size,
      charges: [caller.outstanding, agent.outstanding].flatMap(({ sent, received }) => [sent, received]),
      former: this.#former.flatMap((each) => each.all).filter((each) => unfinished(each, this.#former)).length,
    };
    const none = { unended: 0, unsaid: 0, streams: 0, charges: [0, 0, 0, 0], former: 0 };
    if (JSON.stringify(left) !== JSON.stringify(none)) throw new Error(`left behind: ${JSON.stringify(left)}`);
  }

  #any(): Both | undefined {
    const { all } = this.#current;
    return all[Math.max(0, all.length - 1 - this.#below(MOST_STREAMS))];
  }

  #below(bound: number): number {
    return Math.floor(this.#random() * bound);
  }
}

/** Of a session whose other process is gone: the end that lives must have met exactly one ending. */
function unfinished(both: Both, former: readonly Generation[]): boolean {
  const generation = former.find(({ all }) => all.includes(both));
  const isNearOpen = generation?.callerLives === true && both.near.endings !== 1;
  return isNearOpen || (generation?.agentLives === true && both.far !== undefined && both.agent.endings !== 1);
}
