import { expect, test } from "vitest";
import { Allowance } from "../../shared/session/allowance.ts";
import { Incoming } from "../../shared/session/incoming.ts";
import { divide, NO_DEMAND } from "../../shared/session/division.ts";
import { decodeFrame, HEADROOM, stamp, TYPE } from "../../shared/wire/frame.ts";
import { MAX_DATA, MIN_STREAM_WINDOW, RELAY_BUDGET, STALLED_MS, STREAM_WINDOW } from "../../shared/wire/limits.ts";
import { encodeDial } from "../../shared/wire/open.ts";
import { Session } from "../../shared/session/session.ts";
import type { Stream } from "../../shared/session/stream.ts";
import { DIAL } from "./pair.ts";

// How windows follow the path: a caller and an agent with a long line between them, on a clock of their own. The agent's targets
// send as much as they may; the caller's visitors read at their own pace, as visitors of an edge's port do.

const MIB = 2 ** 20;
const ROUND_TRIP_MS = 100;
/** Bytes a millisecond: 1 Gb/s. */
const RATE = 125_000;

/** Bytes a millisecond under which a visitor is a slow reader, and how often such a one reads. */
const SLOW = 10;
const SLOW_MS = 50;

type Visitor = {
  stream: Stream;
  target: Stream | undefined;
  /** Bytes a millisecond that it reads. */
  pace: number;
  read: number;
  untaken: number;
};

/** One direction of the line: so long, so wide, in order. */
class Line {
  readonly #queue: { frame: Uint8Array; at: number }[] = [];
  #busyUntil = 0;

  send(frame: Uint8Array, now: number): void {
    this.#busyUntil = Math.max(now, this.#busyUntil) + frame.byteLength / RATE;
    this.#queue.push({ frame, at: this.#busyUntil + ROUND_TRIP_MS / 2 });
  }

  /** Milliseconds that what is sent now would wait. */
  backlog(now: number): number {
    return this.#busyUntil - now;
  }

  due(now: number): Uint8Array | undefined {
    return (this.#queue[0]?.at ?? Number.POSITIVE_INFINITY) <= now ? this.#queue.shift()?.frame : undefined;
  }
}

class Distance {
  now = 0;
  readonly caller: Session;
  readonly agent: Session;
  readonly visitors: Visitor[] = [];
  readonly over: string[] = [];
  readonly #up = new Line();
  readonly #down = new Line();
  #dialled: Stream | undefined;
  readonly #budget: number;
  /** What the caller's session was granted last. */
  granted = 0;

  /** `budget`: bytes that the relay has for both ends. */
  constructor(budget = RELAY_BUDGET) {
    this.#budget = budget;
    const now = (): number => this.now;
    const ended = (code: string, reason: string): void => void this.over.push(`${code}: ${reason}`);
    this.caller = new Session({
      role: "caller",
      to: { channel: 0, slot: 1 },
      frameBytes: MAX_DATA,
      io: { send: (frame) => this.#up.send(frame, this.now), maxFrame: () => MAX_DATA, now },
      demandChanged: () => this.#divide(),
      ended,
    });
    // Like a lane, it lets little more be on its way than the line carries.
    const room = (): number => (this.#down.backlog(this.now) > ROUND_TRIP_MS ? 0 : MAX_DATA);
    this.agent = new Session({
      role: "agent",
      to: { channel: 0, slot: 1 },
      frameBytes: MAX_DATA,
      io: { send: (frame) => this.#down.send(frame, this.now), maxFrame: room, now },
      dial: (stream) => void (this.#dialled = stream),
      ended,
    });
    this.#divide();
    this.caller.setSendWindow(MIB);
    this.agent.setSendWindow(RELAY_BUDGET / 2);
  }

  /** As a relay does with its own ingress and one agent. */
  #divide(): void {
    this.granted = divide(this.#budget, [this.caller.demand, NO_DEMAND])[0] ?? 0;
    this.caller.grantWindow(this.granted);
  }

  /** A visitor comes, to a target that sends without end. `pace` in bytes a millisecond. */
  visit(pace: number): Visitor {
    const stream = this.caller.open(TYPE.DIAL, encodeDial(DIAL));
    const visitor: Visitor = { stream, target: undefined, pace, read: 0, untaken: 0 };
    stream.events = {
      data: (bytes) => void (visitor.untaken += bytes.byteLength),
      fin: () => {},
      ended: (failure) => void this.over.push(failure?.reason ?? ""),
    };
    this.visitors.push(visitor);
    return visitor;
  }

  run(ms: number): void {
    for (const until = this.now + ms; this.now < until; this.now += 1) {
      for (let frame = this.#up.due(this.now); frame !== undefined; frame = this.#up.due(this.now)) {
        stamp(frame, { channel: 0 });
        this.agent.receive(decodeFrame(frame));
        if (this.#dialled === undefined) continue;
        for (const visitor of this.visitors) if (visitor.stream.id === this.#dialled.id) visitor.target = this.#dialled;
        this.#dialled.accept({ target: "", local: "" });
        this.#dialled = undefined;
      }
      for (let frame = this.#down.due(this.now); frame !== undefined; frame = this.#down.due(this.now))
        this.caller.receive(decodeFrame(frame));
      for (const visitor of this.visitors) this.#live(visitor);
      this.agent.pump();
      if (this.now % 1_000 === 999) {
        this.caller.tick();
        this.agent.tick();
      }
    }
  }

  #live(visitor: Visitor): void {
    while (visitor.target?.isWritable === true) visitor.target.write(new Uint8Array(HEADROOM + MAX_DATA));
    // A slow reader reads now and then, and then as much.
    const every = visitor.pace < SLOW ? SLOW_MS : 1;
    if (this.now % every !== 0) return;
    const taken = Math.min(visitor.untaken, visitor.pace * every);
    if (taken === 0) return;
    visitor.untaken -= taken;
    visitor.read += taken;
    visitor.stream.consumed(taken);
  }

  /** Bytes a millisecond that each visitor reads in the next while. */
  rates(ms: number): number[] {
    const before = this.visitors.map(({ read }) => read);
    this.run(ms);
    return this.visitors.map(({ read }, at) => (read - (before[at] ?? 0)) / ms);
  }
}

test("over 100 ms and 1 Gb/s one stream fills the line within seconds, by a window of up to 16 MiB", () => {
  const path = new Distance();
  path.visit(RATE);
  path.run(2_500);
  expect(path.rates(1_000)[0]).toBeGreaterThan(0.9 * RATE);
  expect(path.over).toEqual([]);
});

test("a window follows its reader: twice what is read in a round trip, up and down, and what was asked for is given back", () => {
  const path = new Distance();
  const visitor = path.visit(RATE);
  path.run(2_500);
  expect(path.caller.demand.bytes).toBe(16 * MIB);
  visitor.pace = RATE / 20;
  path.run(6_000);
  const wanted = (2 * ROUND_TRIP_MS * RATE) / 20;
  expect(visitor.stream.in.window).toBeGreaterThan(wanted / 2);
  expect(visitor.stream.in.window).toBeLessThan(2 * wanted);
  expect(path.caller.demand.bytes).toBeLessThan(16 * MIB);
  expect(path.caller.outstanding.received).toBeLessThan(4 * wanted);
  visitor.target = undefined;
  visitor.pace = RATE;
  path.run(4_000);
  expect([visitor.stream.in.window, path.caller.demand.bytes]).toEqual([STREAM_WINDOW, 0]);
  expect(path.over).toEqual([]);
});

test("who comes to a line that another fills gets his part of it within seconds", () => {
  const path = new Distance();
  path.visit(RATE);
  path.run(2_500);
  path.visit(RATE);
  path.run(2_500);
  const [first = 0, second = 0] = path.rates(1_000);
  expect(second).toBeGreaterThan(first / 3);
  expect(first + second).toBeGreaterThan(0.8 * RATE);
});

test("sixty-four readers that earned wide windows and then stop hold what the session was granted, and leave room for one that reads", () => {
  const path = new Distance();
  for (let count = 0; count < 64; count += 1) path.visit(RATE);
  path.run(4_000);
  for (const visitor of path.visitors) visitor.pace = 0;
  path.run(3_000);
  expect(path.caller.outstanding.received).toBeLessThan(17 * MIB);
  const reader = path.visit(RATE);
  path.run(2_000);
  expect(path.rates(2_000).at(-1)).toBeGreaterThan(RATE / 1_000);
  expect(reader.read).toBeGreaterThan(MIB / 4);
  expect(path.over).toEqual([]);
});

test("one reader that earned the whole window and stops leaves others a window that carries", () => {
  const path = new Distance();
  const greedy = path.visit(RATE);
  path.run(2_500);
  greedy.pace = 0;
  path.run(2_000);
  expect(path.caller.outstanding.received).toBeGreaterThan(8 * MIB);
  path.visit(RATE);
  path.run(2_000);
  expect(path.rates(2_000)[1]).toBeGreaterThan((0.8 * STREAM_WINDOW) / ROUND_TRIP_MS);
});

test.each([
  { others: 100, pace: 0, what: "never read" },
  { others: 100, pace: 1, what: "read a byte a millisecond" },
])("$others visitors that $what leave another a window that carries", ({ others, pace }) => {
  const path = new Distance();
  for (let count = 0; count < others; count += 1) path.visit(pace);
  path.run(6_000);
  path.visit(RATE);
  path.run(2_000);
  const reads = path.rates(2_000).at(-1);
  expect(reads).toBeGreaterThan((0.8 * STREAM_WINDOW) / ROUND_TRIP_MS);
  expect(path.over).toEqual([]);
});

test("visitors that read nothing and fill the session keep their streams until another visitor needs the room", () => {
  const path = new Distance(MIB / 2);
  for (let count = 0; count < 24; count += 1) path.visit(0);
  path.run(STALLED_MS + 5_000);
  expect(path.caller.outstanding.received).toBeGreaterThan((7 / 8) * path.granted);
  expect(path.over).toEqual([]);
  path.visit(RATE);
  path.run(3_000);
  expect(new Set(path.over)).toEqual(
    new Set(["other streams needed the session's window: its reader was stalled for 15 s"]),
  );
  expect(path.over.length).toBeLessThan(12);
  expect(path.rates(1_000).at(-1)).toBeGreaterThan(MIN_STREAM_WINDOW / ROUND_TRIP_MS);
});

test("what a stalled stream holds is not promised to another", () => {
  const allowance = new Allowance();
  allowance.window = 4 * MIB;
  const stalled = new Incoming(4 * MIB);
  for (let offset = 0; offset < 3 * MIB; offset += MAX_DATA) stalled.take(offset, new Uint8Array(MAX_DATA), 0);
  stalled.checkStalled(1_000);
  stalled.checkStalled(2_000);
  allowance.update(stalled);
  expect(allowance.grantable(new Incoming(0))).toBeLessThanOrEqual(MIB / 8);
});

test("a stream that rests gives up what it was promised: the next gets as much", () => {
  const path = new Distance();
  const first = path.visit(RATE);
  path.run(2_500);
  first.target = undefined;
  path.run(2_500);
  path.visit(RATE);
  path.run(2_500);
  expect(path.rates(1_000)[1]).toBeGreaterThan(0.9 * RATE);
});

test("streams that rest with wide promises can't fill the session together: others go on", () => {
  const path = new Distance();
  // One after the other they earn what they may, and rest; then all of their targets speak at once, and nobody reads.
  const rested = Array.from({ length: 6 }, () => {
    const visitor = path.visit(RATE);
    path.run(2_000);
    const { target } = visitor;
    visitor.target = undefined;
    path.run(2_500);
    return { visitor, target };
  });
  for (const { visitor, target } of rested) Object.assign(visitor, { target, pace: 0 });
  path.run(3_000);
  const reader = path.visit(RATE);
  path.run(2_000);
  expect(path.rates(2_000).at(-1)).toBeGreaterThan(RATE / 1_000);
  expect(reader.read).toBeGreaterThan(MIB / 4);
  expect(path.over).toEqual([]);
});
