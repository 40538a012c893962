import { AgentSessions } from "../../shared/session/agent-sessions.ts";
import { CallerSessions } from "../../shared/session/caller-sessions.ts";
import type { Welcome } from "../../shared/wire/control.ts";
import { TYPE } from "../../shared/wire/frame.ts";
import { encodeOpen } from "../../shared/wire/open.ts";
import type { BatchTimers } from "../../shared/session/outlet.ts";
import type { SessionIo } from "../../shared/session/session.ts";
import type { Stream } from "../../shared/session/stream.ts";
import { dice } from "./dice.ts";
import { WINDOW } from "./pair.ts";
import { finish, listen, side, take, write, type Both, type Way } from "./traffic.ts";
import { End, LANES } from "./world-end.ts";
import { ModelRelay } from "./world-relay.ts";
import type { Wire } from "./world-wire.ts";

export type Who = "agent" | "caller";

const STEP_MS = 20;
const SLOT = { slot: 1, incarnation: "agent", agent: "agent", frameBytes: 262_144 };

/** One agent, one relay and one client, each with sockets of its own view, in a world that a seed decides. */
export class World {
  readonly random: () => number;
  readonly all: Both[] = [];
  now = 0;
  /** Whether a failure of a stream is what should happen. */
  expected = false;
  problem: string | undefined;
  readonly relay: ModelRelay;
  readonly #agent: AgentSessions;
  readonly #caller: CallerSessions;
  readonly #ends: Record<Who, End>;
  /** Ways that are dark for all connections of an end, and until when. */
  readonly #dark = new Map<string, number>();
  #due: { at: number; run: () => void }[] = [];
  #channel = 0;

  /** `isFormer`: the relay is one of before 0.2. */
  constructor(seed: number, isFormer = false) {
    this.random = dice(seed);
    this.relay = new ModelRelay(this.random, isFormer);
    const moments: BatchTimers = {
      soon: (run) => void this.#due.push({ at: this.now, run }),
      later: (run, ms) => void this.#due.push({ at: this.now + ms, run }),
    };
    const io = (who: Who): SessionIo => ({
      send: (bytes, lane) => this.#ends[who].send(bytes, lane),
      maxFrame: (lane) => this.#ends[who].room(lane),
      now: () => this.now,
      batching: moments,
    });
    this.#agent = new AgentSessions({ io: io("agent"), dial: (stream) => this.#dialled(stream), cut: () => {} });
    this.#caller = new CallerSessions({
      io: io("caller"),
      lanes: LANES,
      dataLane: () => this.#ends.caller.dataLane(),
      random: (bytes) => Uint8Array.from({ length: bytes }, () => this.below(256)),
    });
    const agent = new End(
      "agent",
      this.#reacting(this.#agent, (frame) => this.#agent.receive(frame)),
      this.random,
    );
    const caller = new End(
      "caller",
      this.#reacting(this.#caller, (frame) => {
        if (frame.type !== TYPE.ROUTES) return this.#caller.receive(frame);
        this.#channel = frame.offset;
        this.#caller.welcome(this.#welcome(this.#channel));
        this.#caller.routes(frame);
      }),
      this.random,
    );
    this.#ends = { agent, caller };
    this.until(() => this.isWhole, "both ends are there");
    this.wait(1_000);
  }

  below(bound: number): number {
    return Math.floor(this.random() * bound);
  }

  /** Both ends have lanes, and the client knows of the agent. */
  get isWhole(): boolean {
    return this.#ends.agent.connected && this.#ends.caller.connected && this.#caller.slots.length > 0;
  }

  get wires(): Record<Who, Wire[]> {
    return { agent: this.#ends.agent.wires, caller: this.#ends.caller.wires };
  }

  /** Nothing passes that way, on any connection of that end, for so many milliseconds. */
  darken(who: Who, way: Way, ms: number): void {
    this.#dark.set(`${who} ${way}`, this.now + ms);
  }

  /** These lanes of an end are not dialled until `release`. */
  hold(who: Who, ...lanes: number[]): void {
    for (const lane of lanes) this.#ends[who].held.add(lane);
  }

  release(who: Who): void {
    this.#ends[who].held.clear();
  }

  /** The connections that an end has had die for good: what lies between has forgotten them. */
  forget(who: Who): void {
    for (const wire of this.#ends[who].wires) for (const way of ["up", "down"] as const) wire.dark.add(way);
  }

  connected(who: Who): boolean {
    return this.#ends[who].connected;
  }

  /** The process of an end stands still. */
  stop(who: Who, ms: number): void {
    this.#ends[who].stoppedUntil = this.now + ms;
  }

  open(): Both {
    const stream = this.#caller
      .session(this.#caller.slots[0] ?? SLOT)
      .open(TYPE.OPEN, encodeOpen({ endpoint: "1/tcp", visitor: "" }), {
        lane: this.#ends.caller.dataLane(),
      });
    const both: Both = {
      serial: this.all.length + 1,
      stream,
      far: undefined,
      near: side(),
      agent: side(),
      isReset: false,
    };
    this.all.push(both);
    listen(
      both,
      stream,
      "down",
      (problem) => (this.problem ??= problem),
      () => this.expected,
    );
    return both;
  }

  /** Lives on for so many milliseconds. Throws on the first thing that is wrong. */
  wait(ms: number, busy: () => void = () => {}): void {
    for (const end = this.now + ms; this.now < end;) {
      busy();
      this.#step();
    }
  }

  /** Lives on until something is true. Throws when it does not become so within three minutes. */
  until(isTrue: () => boolean, what: string): void {
    for (const end = this.now + 180_000; !isTrue();) {
      if (this.now > end) throw new Error(`still not: ${what}`);
      this.#step();
    }
  }

  /** What somebody does with a stream in one step: reads what came, and says a little now and then. */
  use(both: Both): void {
    take(both.stream, both.near, this.below(100_000));
    if (both.far !== undefined) take(both.far, both.agent, this.below(100_000));
    if (this.below(20) === 0) write(both, both.stream, "up", () => this.#size());
    if (both.far !== undefined && this.below(20) === 0) write(both, both.far, "down", () => this.#size());
  }

  /** Says something in one direction; it has arrived within `ms`. Throws when it has not. */
  says(both: Both, way: Way, ms: number): void {
    const [stream, from, to] = way === "up" ? [both.stream, both.near, both.agent] : [both.far, both.agent, both.near];
    if (stream === undefined) throw new Error("the stream was never dialled");
    write(both, stream, way, () => 100);
    const end = this.now + ms;
    while (to.heard < from.written) {
      if (this.now > end) throw new Error(`after ${ms} ms the stream says nothing ${way}`);
      this.#step();
    }
  }

  /** Says all, and hears all; then every stream is over, and nothing is left behind. */
  settle(): void {
    this.until(() => {
      for (const both of this.all) {
        take(both.stream, both.near, both.near.untaken);
        finish(both.stream, both.near);
        if (both.far === undefined) continue;
        take(both.far, both.agent, both.agent.untaken);
        finish(both.far, both.agent);
      }
      return this.all.every(({ near, far, agent }) => near.endings > 0 && (far === undefined || agent.endings > 0));
    }, "all streams are over");
    this.wait(2_000);
    if (this.#agent.streams + this.#caller.streams > 0) throw new Error("streams are left behind");
  }

  #size(): number {
    return 1 + this.below(this.below(8) === 0 ? 60_000 : 300);
  }

  #step(): void {
    this.now += STEP_MS;
    const due = this.#due.filter(({ at }) => at <= this.now);
    this.#due = this.#due.filter(({ at }) => at > this.now);
    for (const { run } of due) run();
    const isDark = (who: Who, way: Way): boolean => this.now < (this.#dark.get(`${who} ${way}`) ?? 0);
    const { agent, caller } = this.#ends;
    this.relay.step(this.now, [...agent.wires, ...caller.wires], (end) => isDark(end, "up"));
    for (const who of ["agent", "caller"] as const) this.#ends[who].step(this.now, isDark(who, "down"));
    if (this.problem !== undefined) throw new Error(this.problem);
  }

  #reacting(
    sessions: AgentSessions | CallerSessions,
    receive: (frame: Parameters<AgentSessions["receive"]>[0]) => void,
  ) {
    return {
      get waiting() {
        return sessions.waiting;
      },
      get streams() {
        return sessions.streams;
      },
      welcome: () => sessions.welcome(this.#welcome(this.#channel)),
      suspend: () => sessions.suspend(),
      lost: (lane: number) => sessions.lost(lane),
      receive,
      pump: () => sessions.pump(),
      tick: () => sessions.tick(),
      wakeRelay: () => sessions.wakeRelay(),
    };
  }

  #welcome(channel: number): Welcome {
    const limits = { frameBytes: 262_144, streams: 100, opensPerSecond: 100 };
    const known = {
      protocol: 1,
      boot: "b",
      instance: "i",
      epoch: 1,
      site: "s",
      time: 0,
      graceMs: 60_000,
      version: "0",
    };
    return { ...known, channel, budget: WINDOW, limits, features: ["ask-budget"] };
  }

  #dialled(stream: Stream): void {
    const both = this.all.find((each) => each.stream.id === stream.id && each.far === undefined);
    if (both === undefined) return void (this.problem ??= `stream ${stream.id} was dialled twice, or never opened`);
    both.far = stream;
    listen(
      both,
      stream,
      "up",
      (problem) => (this.problem ??= problem),
      () => this.expected,
    );
    stream.accept({ target: "", local: "" });
  }
}
