import fc from "fast-check";
import { expect, test } from "vitest";
import { GRACE_MS, USUAL_DATA } from "../../shared/limits.ts";
import { TYPE } from "../../shared/frame.ts";
import {
  decodeResume,
  decodeResumed,
  encodeResume,
  encodeResumed,
  refuseRecords,
  Secret,
  type StreamRecord,
} from "../../shared/resume.ts";
import { chunkOf } from "../../shared/stream.ts";
import { connect, open, pair, Sink, text, write, type Pair } from "./pair.ts";

test("a stream goes on after a loss: bytes on their way both ways are neither lost nor doubled", () => {
  const link = pair();
  const { caller, agent } = connect(link);
  write(caller.stream, "one ");
  link.deliver();
  write(caller.stream, "two ");
  write(agent.stream, "uno ");
  link.cut();
  write(caller.stream, "three");
  link.heal();
  link.deliver();
  write(agent.stream, "dos");
  link.deliver();
  expect(text(agent.bytes)).toBe("one two three");
  expect(text(caller.bytes)).toBe("uno dos");
  expect([caller.ended, agent.ended]).toEqual([undefined, undefined]);
});

test.each(["DIAL", "ACCEPT"])("a stream whose %s was lost is opened all the same, once", (lost) => {
  const link = pair({ onDial: (stream) => void new Sink(stream) });
  const caller = new Sink(open(link));
  write(caller.stream, "first flight");
  if (lost === "ACCEPT") {
    link.deliver();
    link.dialled[0]!.stream.accept({ target: "", local: "" });
  }
  link.cut();
  link.heal();
  link.deliver();
  const far = link.dialled[0]!.stream;
  far.accept({ target: "", local: "" });
  link.deliver();
  expect(link.dialled).toHaveLength(1);
  expect([caller.accepted, caller.ended]).toEqual([true, undefined]);
  expect(far.in.received).toBe("first flight".length);
});

test("a refusal that was lost on its way still ends the stream", () => {
  const link = pair();
  const caller = new Sink(open(link));
  link.deliver();
  link.dialled[0]!.stream.reject("target-refused", "nothing listens there");
  link.cut();
  link.heal();
  link.deliver();
  expect(caller.ended).not.toBeUndefined();
  expect([link.caller.streams.size, link.agent.streams.size]).toEqual([0, 0]);
});

test.each(["caller", "agent"] as const)(
  "a reset by the %s that was lost on its way still ends the other end",
  (end) => {
    const link = pair();
    const ends = connect(link);
    ends[end].stream.reset("visitor-gone", "gone");
    link.cut();
    link.heal();
    link.deliver();
    expect(ends.caller.ended).toEqual(expect.objectContaining({ code: end === "caller" ? "visitor-gone" : "lost" }));
    expect(ends.agent.ended).not.toBeUndefined();
  },
);

test("a reset made while the path is away is told when it is back", () => {
  const link = pair();
  const ends = connect(link);
  link.cut();
  ends.agent.stream.reset("target-reset", "gone");
  link.heal();
  link.deliver();
  expect(ends.caller.ended).toEqual(expect.objectContaining({ code: "lost" }));
  expect([link.caller.streams.size, link.agent.streams.size]).toEqual([0, 0]);
});

test("after the grace period every stream ends as lost, and the session is over", () => {
  const link = pair();
  const { caller, agent } = connect(link);
  link.cut();
  link.clock.now += GRACE_MS;
  link.caller.tick();
  expect(caller.ended).toBeUndefined();
  link.clock.now += 1;
  link.caller.tick();
  link.agent.tick();
  expect([caller.ended?.code, agent.ended?.code]).toEqual(["lost", "lost"]);
  expect([link.caller.over, link.agent.over]).toEqual([true, true]);
});

test("a RESUMED that is lost is asked for again, with the next proof", () => {
  const link = pair();
  const { caller, agent } = connect(link);
  write(caller.stream, "x");
  link.cut();
  link.heal();
  link.deliver(1);
  link.toCaller.length = 0;
  link.clock.now += 5_001;
  link.caller.tick();
  link.deliver();
  expect(link.caller.up).toBe(true);
  write(caller.stream, "y");
  link.deliver();
  expect(text(agent.bytes)).toBe("xy");
});

test("a proof is good once, only for its session, and never for an older epoch", () => {
  const id = new Uint8Array(16).fill(9);
  const key = new Uint8Array(32).fill(7);
  const caller = new Secret(id, key);
  const agent = new Secret(id, key);
  const first = caller.prove();
  const second = caller.prove();
  expect(agent.accept(1, second)).toBe(false);
  expect(agent.accept(1, first)).toBe(true);
  expect(agent.accept(1, first)).toBe(false);
  expect(agent.accept(3, second)).toBe(false);
  expect(agent.accept(2, second)).toBe(true);
  for (let missed = 0; missed < 10; missed += 1) caller.prove();
  expect(agent.accept(13, caller.prove())).toBe(true);
  expect(new Secret(new Uint8Array(16), key).accept(1, first)).toBe(false);
  expect(agent.accept(2_000, caller.prove())).toBe(false);
});

test("a stolen session id without the secret resumes nothing", () => {
  const link = pair();
  const { agent } = connect(link);
  expect(link.agent.reunite({ channel: 9, slot: 0 }, 1, new Uint8Array(32), [])).toBe(false);
  expect(agent.ended).toBeUndefined();
  expect(link.agent.to.channel).toBe(3);
});

test.each([
  ["more received than was sent", { received: 1_000 }],
  ["more consumed than was sent", { consumed: 1_000, received: 1_000 }],
])("%s in a record ends the session", (_, wrong) => {
  const link = pair();
  const ends = connect(link);
  const proof = new Secret(new Uint8Array(16).fill(1), new Uint8Array(32).fill(2)).prove();
  const record: StreamRecord = {
    stream: ends.agent.stream.id,
    answered: true,
    finished: false,
    reset: false,
    refused: false,
    kind: 1,
    lane: 0,
    mapping: 1,
    consumed: 0,
    limit: 0,
    final: null,
    port: 0,
    ...wrong,
  };
  link.agent.reunite({ channel: 3, slot: 0 }, 1, proof, [record]);
  expect(link.over[0]).toEqual(expect.objectContaining({ end: "agent", code: "protocol" }));
});

test("a relay refuses records in place, and their streams are cut", () => {
  const link = pair();
  const kept = connect(link);
  const cut = connect(link);
  link.cut();
  link.heal();
  const resume = link.toAgent[0]!;
  refuseRecords(resume.subarray(28), (record) => record.stream !== cut.caller.stream.id);
  link.deliver();
  expect(cut.agent.ended?.code).toBe("cut");
  expect(cut.caller.ended?.code).toBe("cut");
  expect(kept.caller.ended).toBeUndefined();
});

test("records travel in pages, and come back as they were", () => {
  const records = Array.from({ length: 3_000 }, (_, index): StreamRecord => ({
    stream: index + 1,
    answered: index % 2 === 0,
    finished: index % 3 === 0,
    reset: index % 5 === 0,
    refused: index % 7 === 0,
    kind: 1 + (index % 3),
    lane: index % 16,
    mapping: index,
    received: index * 1_000_003,
    consumed: index * 1_000_000,
    limit: 2 ** 50 + index,
    final: index % 4 === 0 ? index * 1_000_003 : null,
    port: index,
  }));
  const id = new Uint8Array(16).fill(3);
  const proof = new Uint8Array(32).fill(4);
  const pages = encodeResume({ id, proof, lanes: 5, records });
  expect(pages.length).toBe(3);
  expect(pages.flatMap((page) => decodeResume(page).records)).toEqual(records);
  expect(decodeResume(pages[2]!)).toEqual(expect.objectContaining({ id, proof, lanes: 5 }));
  expect(encodeResumed({ lanes: 5, records }).flatMap((page) => decodeResumed(page).records)).toEqual(records);
});

/** A history of many streams over a path that is cut at will; every stream's bytes, endings and the ends' memory are checked. */
function simulate(link: Pair, steps: { act: number; pick: number; size: number }[]): void {
  type Both = {
    caller: Sink;
    agent?: Sink;
    sent: { up: number[]; down: number[] };
    finished: { up: boolean; down: boolean };
  };
  const all: Both[] = [];
  let next = 0;
  let away = false;
  const bytes = (size: number): Uint8Array => Uint8Array.from({ length: size }, () => (next = (next + 1) % 251));
  const adopt = (): void => {
    for (const { stream } of link.dialled) {
      const both = all.find((each) => each.caller.stream.id === stream.id)!;
      if (both.agent !== undefined) continue;
      both.agent = early.get(stream.id)!;
      stream.accept({ target: "", local: "" });
    }
  };
  const early = new Map<number, Sink>();
  dialSink = (stream) => early.set(stream.id, new Sink(stream, false));
  for (const { act, pick, size } of steps) {
    const both = all[pick % Math.max(1, all.length)];
    switch (act % 12) {
      case 0:
        if (all.length < 6)
          all.push({
            caller: new Sink(open(link), false),
            sent: { up: [], down: [] },
            finished: { up: false, down: false },
          });
        break;
      case 1:
      case 2:
        if (both?.caller.stream.hungry && !both.finished.up) {
          const chunk = bytes(1 + (size % (USUAL_DATA / 32)));
          both.caller.stream.write(chunkOf(chunk));
          both.sent.up.push(...chunk);
        }
        break;
      case 3:
      case 4:
        if (both?.agent?.stream.hungry && !both.finished.down) {
          const chunk = bytes(1 + (size % (USUAL_DATA / 32)));
          both.agent.stream.write(chunkOf(chunk));
          both.sent.down.push(...chunk);
        }
        break;
      case 5:
        both?.caller.take(size);
        break;
      case 6:
        both?.agent?.take(size);
        break;
      case 7:
        if (both && size % 4 === 0) {
          both.finished.up = true;
          both.caller.stream.finish();
        } else if (both?.agent && size % 4 === 1) {
          both.finished.down = true;
          both.agent.stream.finish();
        }
        break;
      case 8:
        if (size % 3 === 0) {
          link.cut();
          away = true;
        }
        break;
      case 9:
        if (away) link.heal();
        away = false;
        break;
      case 10:
        link.clock.now += size % 900;
        link.caller.tick();
        link.agent.tick();
        break;
      default:
        link.deliver(1 + (size % 12));
        adopt();
    }
  }
  if (away) link.heal();
  for (const both of all) {
    both.caller.stream.finish();
    both.finished.up = true;
  }
  for (
    let turn = 0;
    turn < 400 && all.some(({ caller, agent }) => caller.ended === undefined || agent?.ended === undefined);
    turn += 1
  ) {
    link.clock.now += 2_000;
    link.caller.tick();
    link.agent.tick();
    link.deliver();
    adopt();
    for (const both of all) {
      both.agent?.stream.finish();
      both.caller.take();
      both.agent?.take();
    }
    link.deliver();
  }
  expect(link.over).toEqual([]);
  for (const both of all) {
    expect({ caller: both.caller.ended, agent: both.agent?.ended }).toEqual({ caller: null, agent: null });
    expect(both.agent?.bytes).toEqual(both.sent.up);
    expect(both.caller.bytes).toEqual(both.sent.down);
  }
  expect([link.caller.charges, link.agent.charges]).toEqual([
    { sent: 0, held: 0 },
    { sent: 0, held: 0 },
  ]);
  expect([link.caller.streams.size, link.agent.streams.size]).toEqual([0, 0]);
}

let dialSink: (stream: Sink["stream"]) => void = () => {};

test("over any history of losses, every stream delivers exactly what was written, ends in order, and leaves nothing behind", () => {
  const step = fc.record({ act: fc.nat(11), pick: fc.nat(5), size: fc.nat(100_000) });
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 200 }), (steps) => {
      simulate(pair({ onDial: (stream) => dialSink(stream) }), steps);
    }),
    { numRuns: 1_500 },
  );
});

test("cut at every frame of a scripted exchange, in each direction, nothing is lost or doubled", () => {
  const script = (link: Pair, stop: number): void => {
    let delivered = 0;
    const step = (): void => {
      while (link.toAgent.length + link.toCaller.length > 0) {
        if (delivered === stop) {
          delivered += 1;
          link.cut();
          link.heal();
        }
        if (link.deliver(1) === 0) break;
        delivered += 1;
      }
    };
    let far: Sink | undefined;
    dialSink = (stream) => {
      far = new Sink(stream);
    };
    const near = new Sink(open(link));
    step();
    far!.stream.accept({ target: "", local: "" });
    step();
    for (let turn = 0; turn < 40; turn += 1) {
      write(near.stream, `question ${turn};`);
      step();
      write(far!.stream, `answer ${turn};`);
      step();
    }
    near.stream.finish();
    step();
    far!.stream.finish();
    step();
    link.clock.now += 6_000;
    link.caller.tick();
    link.agent.tick();
    step();
    const expected = (word: string): string => Array.from({ length: 40 }, (_, turn) => `${word} ${turn};`).join("");
    expect(text(far!.bytes)).toBe(expected("question"));
    expect(text(near.bytes)).toBe(expected("answer"));
    expect([near.ended, far!.ended]).toEqual([null, null]);
    expect(link.over).toEqual([]);
  };
  let frames = 0;
  {
    const link = pair({ onDial: (stream) => dialSink(stream) });
    script(link, -1);
    frames = link.sent.length;
  }
  expect(frames).toBeGreaterThan(80);
  for (let stop = 0; stop < frames; stop += 1) script(pair({ onDial: (stream) => dialSink(stream) }), stop);
});

test("DATA of a dead path that arrives late changes nothing", () => {
  const link = pair();
  const { caller, agent } = connect(link);
  write(caller.stream, "abc");
  const late = link.toAgent.map((frame) => frame.slice());
  link.cut();
  link.heal();
  link.deliver();
  link.toAgent.push(...late);
  link.deliver();
  expect(text(agent.bytes)).toBe("abc");
  expect(link.sent.filter(({ frame }) => frame.type === TYPE.END)).toEqual([]);
});
