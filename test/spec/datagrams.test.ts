import { expect, test } from "vitest";
import type { DropReason } from "../../shared/session/flow.ts";
import { AGREED, FLAG_ACK, TYPE } from "../../shared/wire/frame.ts";
import { encodeDial } from "../../shared/wire/open.ts";
import { Pacer } from "../../shared/session/pacer.ts";
import type { Stream } from "../../shared/session/stream.ts";
import { DIAL, pair, type Pair, type PairOptions } from "./pair.ts";
import { rawFrame } from "./wire.ts";

/** Of a session: two ends of one flow, and what each hears and drops. */
function flow(options: PairOptions = {}) {
  const both = pair({ ...options, onDial: (stream) => stream.accept({ target: DIAL.target, local: "" }) });
  const near = both.caller.open(TYPE.DIAL, encodeDial(DIAL));
  both.deliver();
  const far = both.dialled[0]?.stream as Stream;
  both.sent.length = 0;
  return { ...both, near: ear(near), far: ear(far) };
}

function ear(stream: Stream) {
  const heard: [text: string, age: number][] = [];
  const dropped: DropReason[] = [];
  stream.events = {
    data: () => undefined,
    fin: () => undefined,
    ended: () => undefined,
    datagram: (bytes, age) => heard.push([new TextDecoder().decode(bytes), Math.round(age / 1000)]),
    dropped: (reason) => dropped.push(reason),
  };
  const say = (text: string, age = 0): void => stream.datagram(new TextEncoder().encode(text), age);
  return { stream, heard, dropped, say };
}

const echoes = ({ sent }: Pair, end: "caller" | "agent"): number[] =>
  sent.filter(({ from, frame }) => from === end && frame.type === AGREED.ARRIVED).map(({ frame }) => frame.offset);

test("ends that both read times say when each datagram was sent, and echo those that ask for it", () => {
  const drained: string[] = [];
  const both = flow({ timed: true, drained: (end) => drained.push(end) });
  const { near, far, clock, deliver, sent } = both;
  clock.now = 1_000;
  near.say("one", 3_000);
  near.say("two");
  far.say("three");
  expect(sent.map(({ frame }) => [frame.flags, frame.offset >= 2 ** 24])).toEqual([
    [FLAG_ACK, true],
    [0, true],
    [FLAG_ACK, true],
  ]);
  clock.now = 1_020;
  deliver();
  expect([far.heard, near.heard]).toEqual([
    [
      ["one", 3],
      ["two", 0],
    ],
    [["three", 0]],
  ]);
  expect([echoes(both, "caller").length, echoes(both, "agent").length, drained.toSorted()]).toEqual([
    1,
    1,
    ["agent", "caller"],
  ]);
});

test.each([true, false])(
  "to an end that has not said that it reads times, ages are said (agent knows: %s)",
  (knows) => {
    const both = flow({ timed: false });
    // What an older agent hears of it, and what an older caller's SESSION lets an agent say.
    const { near, far, sent, deliver } = both;
    (knows ? far : near).say("hello", 7_000);
    expect(sent.map(({ frame }) => [frame.flags, frame.offset])).toEqual([[0, 7_000]]);
    deliver();
    expect([...near.heard, ...far.heard]).toEqual([["hello", 7]]);
    expect(echoes(both, "agent")).toEqual([]);
  },
);

test("an end that says times reads them, whatever became of its ACCEPT", () => {
  const { near, far, sent, deliver } = flow({ timed: false });
  far.stream.datagrams.timed = true;
  far.say("question");
  deliver();
  near.say("answer");
  expect(sent.at(-1)?.frame.offset).toBeGreaterThanOrEqual(2 ** 24);
  deliver();
  expect([near.heard, far.heard]).toEqual([[["question", 0]], [["answer", 0]]]);
});

test("what has waited on the way for longer than the deadline, and at its sender, is dropped on arrival, and echoed all the same", () => {
  const both = flow({ timed: true });
  const { near, far, clock, deliver } = both;
  const pass = (text: string, age: number, ms: number): void => {
    near.say(text, age * 1_000);
    clock.now += ms;
    deliver();
    clock.now += 300;
  };
  pass("first", 0, 20);
  pass("in time", 40, 75);
  pass("too late", 40, 85);
  pass("far too late", 0, 5_000);
  pass("in time again", 0, 20);
  expect(far.heard).toEqual([
    ["first", 0],
    ["in time", 95],
    ["in time again", 0],
  ]);
  expect(far.dropped).toEqual(["late", "late"]);
  expect(echoes(both, "agent")).toHaveLength(5);
});

test("while the path is away, a datagram is dropped and counted, no echo is kept for later, and both go on when it is back", () => {
  const both = flow({ timed: true });
  const { near, far, cut, heal, deliver, sent } = both;
  near.say("before");
  cut();
  near.say("away");
  expect([near.dropped, near.stream.datagrams.maySend(0)]).toEqual([["late"], false]);
  heal();
  deliver();
  sent.length = 0;
  both.clock.now += 1_000;
  near.say("after");
  far.say("back");
  deliver();
  expect([far.heard.map(([text]) => text), near.heard.map(([text]) => text)]).toEqual([["after"], ["back"]]);
});

test("what is over a mapping's rate is dropped at its agent, either way, and counted", () => {
  const { near, far, clock, deliver } = flow({ timed: true });
  clock.now = 10_000;
  const pacer = (): Pacer => new Pacer(1_000, { now: () => clock.now, later: () => undefined });
  far.stream.pacers = { in: pacer(), out: pacer() };
  for (let n = 0; n < 10; n += 1) {
    near.say("x".repeat(100));
    far.say("x".repeat(100));
  }
  deliver();
  expect([far.heard.length, near.heard.length]).toEqual([4, 4]);
  expect(far.dropped).toEqual(Array.from({ length: 12 }, () => "rate"));
});

test("an echo that was not asked for, or of nothing, changes nothing; one to an end that reads no times breaks the protocol", () => {
  const timed = flow({ timed: true });
  timed.caller.receive(rawFrame(AGREED.ARRIVED, { offset: 12_345 }));
  timed.near.say("hello");
  timed.deliver();
  expect([timed.far.heard.length, timed.over]).toEqual([1, []]);
  const older = flow({ timed: false });
  older.caller.receive(rawFrame(AGREED.ARRIVED, { offset: 12_345 }));
  expect(older.over.map(({ end, code }) => [end, code])).toEqual([["caller", "protocol"]]);
});
