import { createHmac } from "node:crypto";
import { expect, test } from "vitest";
import { GRACE_MS } from "../../shared/wire/limits.ts";
import { decodeFrame, encodeFrame, stamp, TYPE } from "../../shared/wire/frame.ts";
import type { Stream } from "../../shared/session/stream.ts";
import {
  decodeResume,
  decodeResumed,
  encodeResume,
  encodeResumed,
  refuseRecords,
  Secret,
  type StreamRecord,
} from "../../shared/wire/resume.ts";
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

test("a caller that is nudged settles what was lost on its way, though nothing follows it; an agent is not moved by one", () => {
  const link = pair();
  const { caller, agent } = connect(link);
  write(agent.stream, "the last word");
  link.toCaller.length = 0;
  link.deliver();
  expect(text(caller.bytes)).toBe("");
  const before = link.sent.length;
  link.agent.receive(decodeFrame(encodeFrame({ type: TYPE.NUDGE, channel: 3 })));
  expect(link.sent.length).toBe(before);
  link.caller.receive(decodeFrame(encodeFrame({ type: TYPE.NUDGE, slot: 7 })));
  link.deliver();
  expect(text(caller.bytes)).toBe("the last word");
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

test("while a caller asks, no byte leaves before the agent has answered", () => {
  const link = pair();
  const { caller } = connect(link);
  link.cut();
  link.heal();
  link.sent.length = 0;
  write(caller.stream, "held back");
  expect(link.sent).toEqual([]);
  link.deliver();
  expect(link.sent.filter(({ from, frame }) => from === "caller" && frame.type === TYPE.DATA)).toHaveLength(1);
});

test("a stream whose ACCEPT was overtaken by word of what was consumed goes on where it was", () => {
  const link = pair({ onDial: accepting });
  const caller = new Sink(open(link));
  write(caller.stream, "first flight");
  link.caller.resume();
  const [dial, data, resume] = link.toAgent.splice(0) as [Uint8Array, Uint8Array, Uint8Array];
  // The agent answers before it has the stream; then its OPEN comes, by another lane.
  const resumed = answersTo(link, [resume]);
  const answers = answersTo(link, [dial, data]);
  hearFirst(link, TYPE.CREDIT, [...resumed, ...answers]);
  write(caller.stream, ", second");
  link.deliver();
  expect([link.over, caller.ended]).toEqual([[], undefined]);
  expect(link.sent.filter(({ frame }) => frame.type === TYPE.RESET)).toEqual([]);
});

test("a caller that has heard the whole answer of a stream, but not its ACCEPT, does not open it again", () => {
  const link = pair({ onDial: accepting });
  const caller = new Sink(open(link));
  caller.stream.finish();
  const answers = answersTo(link, link.toAgent.splice(0));
  link.dialled[0]!.stream.finish();
  hearFirst(
    link,
    TYPE.FIN,
    [...answers, ...link.toCaller.splice(0)].filter(([type]) => type === TYPE.FIN),
  );
  link.caller.resume();
  link.deliver();
  expect([caller.fin, caller.ended, link.over]).toEqual([true, null, []]);
  expect(link.sent.filter(({ frame }) => frame.type === TYPE.RESET)).toEqual([]);
});

test("a FIN that is to be sent again after a loss may have been consumed the first time", () => {
  const link = pair();
  const { caller, agent } = connect(link);
  write(caller.stream, "all");
  caller.stream.finish();
  link.caller.resume();
  const [data, fin, resume] = link.toAgent.splice(0) as [Uint8Array, Uint8Array, Uint8Array];
  // The agent answers before it has the FIN, which comes by another lane; no lane has room to send it again now.
  const resumed = answersTo(link, [resume]);
  const answers = answersTo(link, [data, fin]);
  link.room.open = false;
  hearFirst(link, TYPE.RESUMED, [...resumed, ...answers]);
  link.room.open = true;
  link.deliver();
  expect([link.over, caller.ended]).toEqual([[], undefined]);
  expect([text(agent.bytes), agent.fin]).toEqual(["all", true]);
});

/** An application that accepts at once, and takes what comes. */
function accepting(stream: Stream): void {
  const sink = new Sink(stream);
  sink.stream.accept({ target: "", local: "" });
}

/** What the agent says to these frames, all reports included. */
function answersTo(link: Pair, frames: readonly Uint8Array[]): Uint8Array[] {
  const kept = link.toCaller.splice(0);
  for (const frame of frames) {
    link.toAgent.unshift(frame);
    link.deliver(1);
  }
  link.clock.now += 2_000;
  link.agent.tick();
  const answers = link.toCaller.splice(0);
  link.toCaller.push(...kept);
  return answers;
}

/** The caller hears these, those of one type before the others, as on several lanes. */
function hearFirst(link: Pair, type: number, frames: readonly Uint8Array[]): void {
  const isFirst = (frame: Uint8Array): boolean => frame[0] === type;
  for (const frame of [...frames.filter(isFirst), ...frames.filter((each) => !isFirst(each))]) {
    stamp(frame, { slot: 7 });
    link.caller.receive(decodeFrame(frame));
  }
}

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
  for (let missed = 0; missed < 1_001; missed += 1) caller.prove();
  expect(agent.accept(caller.epoch + 1, caller.prove())).toBe(false);
});

test("an answer to a question that was asked again meanwhile is not taken", () => {
  const link = pair();
  connect(link);
  link.cut();
  link.heal();
  link.deliver(1);
  const [answer] = link.toCaller.splice(0);
  link.clock.now += 5_001;
  link.caller.tick();
  link.caller.receive(decodeFrame(answer!));
  expect(link.caller.up).toBe(false);
  link.deliver();
  expect(link.caller.up).toBe(true);
});

test("credit is what it was after resuming, not more", () => {
  const link = pair();
  const { caller, agent } = connect(link, false);
  write(caller.stream, "not consumed");
  link.deliver();
  link.cut();
  link.heal();
  link.deliver();
  expect(caller.stream.out.limit).toBe(agent.stream.in.limit);
  expect(agent.stream.out.limit).toBe(caller.stream.in.limit);
});

test("the last word of a stream that was lost with its lane is settled, though nothing of the caller's used that lane any more", () => {
  const link = pair();
  const { caller, agent } = connect(link);
  caller.stream.reset("visitor-gone", "gone");
  link.toAgent.length = 0;
  link.caller.move(caller.stream.lane, 2);
  link.deliver();
  expect(agent.ended).not.toBeUndefined();
  expect(link.agent.streams.size).toBe(0);
});

test("an OPEN that its own RESET has overtaken on another lane is not taken", () => {
  const link = pair();
  open(link).reset("visitor-gone", "gone");
  link.toAgent.reverse();
  link.deliver();
  expect([link.dialled.length, link.agent.streams.size]).toEqual([0, 0]);
});

test("proofs are what the protocol's text says, and each is of another secret", () => {
  const id = Buffer.alloc(16, 9);
  const caller = new Secret(id, Buffer.alloc(32, 7));
  let secret = Buffer.alloc(32, 7);
  for (let epoch = 1; epoch <= 3; epoch += 1) {
    const number = Buffer.from([0, 0, 0, epoch]);
    const proof = createHmac("sha256", secret).update("sallyport resume").update(id).update(number).digest();
    expect(Buffer.from(caller.prove()).equals(proof)).toBe(true);
    secret = createHmac("sha256", secret).update("sallyport rotate").update(number).digest();
  }
});

test("a RESUME that comes again, or late, changes nothing and is not answered", () => {
  const link = pair();
  const { caller, agent } = connect(link);
  link.cut();
  link.heal();
  const copy = decodeResume(link.toAgent[0]!.subarray(28));
  link.deliver();
  const before = link.sent.length;
  expect(link.agent.acceptResume({ channel: 9, slot: 0 }, 1, copy.proof, [])).toBe("stale");
  expect([link.agent.to.channel, link.sent.length, caller.ended, agent.ended]).toEqual([
    3,
    before,
    undefined,
    undefined,
  ]);
});

test("a stolen session id without the secret resumes nothing", () => {
  const link = pair();
  const { agent } = connect(link);
  expect(link.agent.acceptResume({ channel: 9, slot: 0 }, 1, new Uint8Array(32), [])).toBe("refused");
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
    lane: 0,
    mapping: 1,
    consumed: 0,
    limit: 0,
    final: null,
    ...wrong,
  };
  link.agent.acceptResume({ channel: 3, slot: 0 }, 1, proof, [record]);
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
    lane: index % 16,
    mapping: index,
    received: index * 1_000_003,
    consumed: index * 1_000_000,
    limit: 2 ** 50 + index,
    final: index % 4 === 0 ? index * 1_000_003 : null,
  }));
  const id = new Uint8Array(16).fill(3);
  const proof = new Uint8Array(32).fill(4);
  const pages = encodeResume({ id, proof, lanes: 5, records });
  expect(pages.length).toBe(3);
  expect(pages.flatMap((page) => decodeResume(page).records)).toEqual(records);
  expect(decodeResume(pages[2]!)).toEqual(expect.objectContaining({ id, proof, lanes: 5 }));
  expect(encodeResumed({ lanes: 5, records }).flatMap((page) => decodeResumed(page).records)).toEqual(records);
});

let dialSink: (stream: Sink["stream"]) => void = () => {};

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
