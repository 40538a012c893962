import { expect, test } from "vitest";
import { batch } from "../../shared/wire/batch.ts";
import { encodeFields } from "../../shared/wire/fields.ts";
import { decodeFrame, encodeFrame, FLAG_ACK, TYPE, type Frame } from "../../shared/wire/frame.ts";
import {
  MAX_DATA,
  MAX_STREAMS,
  OPEN_BURST,
  OPENS_PER_SECOND,
  REMEMBERED_RESETS,
  RESUME_BURST,
} from "../../shared/wire/limits.ts";
import { Secret } from "../../shared/wire/resume.ts";
import { Session } from "../../shared/session/session.ts";
import { chunkOf } from "../../shared/session/stream.ts";
import { text, write } from "./pair.ts";
import {
  accept,
  ask,
  codeOf,
  credit,
  data,
  dial,
  End,
  fin,
  rawFrame,
  over,
  reject,
  reset,
  u64,
  window,
  type Role,
} from "./wire.ts";

// Conformance, part 1: docs/protocol.md sections 2, 3 and 4, one numbered rule a test, for both roles.

const ROLES: Role[] = ["caller", "agent"];

/** What was refused ends the session: once, with every stream, and the far end is told why. */
function broken(end: End, code: "protocol" | "flow-control"): void {
  expect(end.over.map((each) => each.code)).toEqual([code]);
  expect(end.said(TYPE.END).map(codeOf)).toEqual([code]);
  expect(end.session.streams.size).toBe(0);
}

function joined(...frames: Frame[]): Frame {
  return decodeFrame(batch(frames.map(({ payload, ...header }) => encodeFrame(header, payload))));
}

// 1. Frames that have no place

test("1.1 ACCEPT to an agent is a protocol error", () => {
  const end = new End("agent");
  const { stream } = end.opening();
  end.hear(accept(stream.id));
  broken(end, "protocol");
});

test("1.2 DIAL to a caller is a protocol error", () => {
  const end = new End("caller");
  end.hear(dial(9));
  broken(end, "protocol");
});

test.each([
  ["to an agent that dials", (): [End, number] => withStream(new End("agent"), "opening")],
  ["to an agent", (): [End, number] => withStream(new End("agent"), "open")],
  ["to a caller that was answered", (): [End, number] => withStream(new End("caller"), "open")],
])("1.3 REJECT %s is a protocol error", (_, make) => {
  const [end, id] = make();
  end.hear(reject(id));
  broken(end, "protocol");
});

test.each(ROLES)("1.4 CREDIT without exactly eight bytes is a protocol error (%s)", (role) => {
  for (const length of [0, 7, 9]) {
    const [end, id] = withStream(new End(role), "open");
    end.hear(rawFrame(TYPE.CREDIT, { stream: id, offset: 2 ** 40, payload: new Uint8Array(length) }));
    broken(end, "protocol");
  }
});

test.each(ROLES)("1.5 an ACK that is cut short is a protocol error (%s)", (role) => {
  for (const type of [TYPE.DATA, TYPE.FIN]) {
    for (const length of [0, 1, 7]) {
      const [end, id] = withStream(new End(role), "open");
      end.hear(rawFrame(type, { stream: id, flags: FLAG_ACK, payload: new Uint8Array(length) }));
      broken(end, "protocol");
    }
  }
});

test.each(ROLES)("1.6 frames of lanes and of relays are protocol errors in a session (%s)", (role) => {
  const { HELLO, WELCOME, REDIRECT, ROUTES, BUDGET, MARK, GOAWAY, CUT, RENEW, REPORT, SESSION, RESUME, OPEN } = TYPE;
  for (const type of [
    HELLO,
    WELCOME,
    REDIRECT,
    ROUTES,
    BUDGET,
    MARK,
    GOAWAY,
    CUT,
    RENEW,
    REPORT,
    SESSION,
    RESUME,
    OPEN,
    0xe0,
    0xef,
  ]) {
    const [end] = withStream(new End(role), "open");
    end.hear(rawFrame(type));
    broken(end, "protocol");
  }
});

test.each(ROLES)(
  "1.7 DATA of more than 262,144 bytes is a protocol error, of exactly as many it is not (%s)",
  (role) => {
    const end = new End(role);
    const sink = end.open();
    end.hear(data(sink.stream.id, 0, MAX_DATA));
    expect([end.over, sink.bytes.length]).toEqual([[], MAX_DATA]);
    end.hear(data(sink.stream.id, MAX_DATA, MAX_DATA + 1));
    broken(end, "protocol");
    expect(sink.bytes.length).toBe(MAX_DATA);
  },
);

test.each(ROLES)("1.8 entries of a BATCH count as if they had come alone, in their order (%s)", (role) => {
  const end = new End(role);
  const [one, two] = [end.open(), end.open()];
  const [a, b] = [one.stream.id, two.stream.id];
  end.hear(joined(data(a, 0, "he"), data(b, 0, "x"), data(a, 2, "llo"), fin(a, 5), reset(b)));
  expect([text(one.bytes), one.fin, text(two.bytes), two.ended?.code]).toEqual(["hello", true, "x", "target-reset"]);
  expect(end.over).toEqual([]);
});

test.each(ROLES)("1.9 a BATCH with a bad entry is a protocol error as a whole (%s)", (role) => {
  for (const last of [fin(1, 5), data(1, 5, "second")]) {
    const end = new End(role);
    const sink = end.open();
    const whole = joined(data(1, 0, "first"), last);
    end.hear({ ...whole, payload: whole.payload.slice(0, -1) });
    broken(end, "protocol");
    expect(text(sink.bytes)).toBe("");
  }
});

test.each(ROLES)("1.10 when an entry of a BATCH ends the session, those after it are not looked at (%s)", (role) => {
  const end = new End(role);
  const sink = end.open();
  end.hear(joined(data(sink.stream.id, 0, "a"), fin(sink.stream.id, 2 ** 50), data(77, 0, "b")));
  broken(end, "flow-control");
  expect(text(sink.bytes)).toBe("a");
  expect(end.said(TYPE.RESET)).toEqual([]);
});

test.each(ROLES)("1.11 after the session is over nothing is heard, answered or ended again (%s)", (role) => {
  const end = new End(role);
  const sink = end.open();
  end.hear(over("idle", "nobody there"));
  expect([end.over.length, sink.ended]).toEqual([1, { code: "lost", reason: "nobody there" }]);
  end.forget();
  end.hear(data(sink.stream.id, 0, "late"), fin(99, 0), over("done", ""), dial(5), window(1), rawFrame(TYPE.HELLO));
  end.session.end("done", "again");
  sink.stream.reset("visitor-gone", "");
  write(sink.stream, "unheard");
  expect([end.sent, end.over.length, text(sink.bytes)]).toEqual([[], 1, ""]);
});

test.each(ROLES)("1.12 END is not answered; ending says END once (%s)", (role) => {
  const told = new End(role);
  told.hear(over("protocol", "you broke it"));
  expect(told.sent).toEqual([]);
  const telling = new End(role);
  const sink = telling.open();
  telling.session.end("idle", "enough");
  telling.session.end("idle", "enough");
  expect(telling.said(TYPE.END).map(codeOf)).toEqual(["idle"]);
  expect([telling.over.length, sink.ended?.code]).toEqual([1, "lost"]);
});

test.each(ROLES)("1.13 a RESET whose reason could write into a log is a protocol error (%s)", (role) => {
  const [end, id] = withStream(new End(role), "open");
  end.hear(rawFrame(TYPE.RESET, { stream: id, payload: Uint8Array.of(2, 0, 2, 0x1b, 0x5b) }));
  broken(end, "protocol");
});

test("1.14 a malformed DIAL is refused at once, nothing is dialled, and other streams go on", () => {
  const target = (words: string): Uint8Array => encodeFields({ 1: words, 2: 1 });
  const malformed = [
    Uint8Array.of(1),
    Uint8Array.of(2, 0, 1, 9),
    new Uint8Array(0),
    target("127.0.0.1\0:80"),
    target("127.0.0.1:80\r\n"),
    Uint8Array.of(1, 0, 2, 0xc3, 0x28, 2, 0, 1, 1),
    encodeFields({ 1: "127.0.0.1:80", 2: 1, 3: new Uint8Array(9) }),
    encodeFields({ 1: "127.0.0.1:80", 2: 1, 3: new Uint8Array(8).fill(255) }),
  ];
  const end = new End("agent");
  const neighbour = end.open();
  for (const [index, payload] of malformed.entries()) {
    end.forget();
    end.hear(rawFrame(TYPE.DIAL, { stream: index + 2, payload }));
    expect(end.said(TYPE.REJECT).map((frame) => [frame.stream, codeOf(frame)])).toEqual([[index + 2, "internal"]]);
  }
  expect(end.dialled).toHaveLength(1);
  expect(end.over).toEqual([]);
  end.hear(data(neighbour.stream.id, 0, "abc"));
  expect(text(neighbour.bytes)).toBe("abc");
});

test.each(ROLES)("1.15 asking again and again for what was sent ends the session (%s)", (role) => {
  const end = new End(role);
  const sink = end.open();
  for (let sent = 0; sent < 256 * 1024; sent += 64 * 1024) sink.stream.write(chunkOf(new Uint8Array(64 * 1024)));
  let asked = 0;
  while (end.over.length === 0 && asked < 1_000) {
    asked += 1;
    end.hear(ask(sink.stream.id, 0));
  }
  broken(end, "protocol");
  // What a lane could lose is given again without a word.
  expect(asked).toBeGreaterThan(8);
  expect(asked).toBeLessThan(20);
});

test("1.16 a session answers so many RESUMEs and no more at once", () => {
  const id = new Uint8Array(16).fill(1);
  const key = new Uint8Array(32).fill(2);
  const sent: number[] = [];
  const session = new Session({
    role: "agent",
    secret: new Secret(id, key),
    to: { channel: 3, slot: 0 },
    io: { send: (frame) => sent.push(frame[0] ?? 0), maxFrame: () => 65_536, now: () => 0 },
  });
  const caller = new Secret(id, key);
  let answered = 0;
  for (let count = 0; count < 1_000; count += 1) {
    const proof = caller.prove();
    if (session.acceptResume({ channel: 3, slot: 0 }, caller.epoch, proof, []) === "resumed") answered += 1;
  }
  expect(answered).toBe(RESUME_BURST);
  expect(sent.filter((type) => type === TYPE.RESUMED)).toHaveLength(RESUME_BURST);
  expect(session.over).toBe(false);
});

// 2. Offsets

test.each(ROLES)("2.1 what came before is dropped, what overlaps gives only its new bytes (%s)", (role) => {
  const end = new End(role);
  const sink = end.open();
  const { id } = sink.stream;
  end.hear(
    data(id, 0, "abc"),
    data(id, 0, "abc"),
    data(id, 1, "b"),
    data(id, 2, "cde"),
    data(id, 0, "abcdef"),
    data(id, 6, ""),
  );
  expect([text(sink.bytes), end.over, end.said(TYPE.ASK)]).toEqual(["abcdef", [], []]);
});

test.each(ROLES)("2.2 a frame after a gap is dropped, and what is missing is asked for, once a gap (%s)", (role) => {
  const end = new End(role);
  const sink = end.open();
  const { id } = sink.stream;
  end.hear(data(id, 0, "ab"), data(id, 5, "f"), data(id, 6, "g"), fin(id, 7));
  expect(end.said(TYPE.ASK).map(({ stream, offset }) => [stream, offset])).toEqual([[id, 2]]);
  expect([text(sink.bytes), sink.fin]).toEqual(["ab", false]);
  end.hear(data(id, 2, "cd"), data(id, 5, "f"));
  expect(end.said(TYPE.ASK).map(({ offset }) => offset)).toEqual([2, 4]);
  end.hear(data(id, 4, "efg"), fin(id, 7));
  expect([text(sink.bytes), sink.fin, end.over]).toEqual(["abcdefg", true, []]);
});

test.each(ROLES)("2.3 a FIN ahead of its bytes ends nothing: the bytes are asked for (%s)", (role) => {
  const end = new End(role);
  const sink = end.open();
  end.hear(fin(sink.stream.id, 3));
  expect([sink.fin, end.said(TYPE.ASK).map(({ offset }) => offset)]).toEqual([false, [0]]);
  end.hear(data(sink.stream.id, 0, "abc"), fin(sink.stream.id, 3));
  expect([text(sink.bytes), sink.fin]).toEqual(["abc", true]);
});

test.each(ROLES)("2.4 ASK has everything from there on sent again, as it was, and the FIN (%s)", (role) => {
  const end = new End(role);
  const { stream } = end.open();
  for (const word of ["one ", "two ", "three"]) write(stream, word);
  stream.finish();
  expect(end.data.map(({ offset }) => offset)).toEqual([0, 4, 8]);
  end.forget();
  end.hear(ask(stream.id, 4));
  expect(end.sent.map(({ type, offset }) => [type, offset])).toEqual([
    [TYPE.DATA, 4],
    [TYPE.DATA, 8],
    [TYPE.FIN, 13],
  ]);
  expect(end.session.outstanding.sent).toBe(13 + 3 * 2048);
});

test.each(ROLES)(
  "2.5 ASK for more than was sent is a protocol error, one for what was consumed is late (%s)",
  (role) => {
    const end = new End(role);
    const { stream } = end.open();
    write(stream, "abc");
    end.hear(credit(stream.id, 2 ** 40, 2));
    const before = end.said(TYPE.DATA).length;
    end.hear(ask(stream.id, 1));
    expect([end.over, end.said(TYPE.DATA).length]).toEqual([[], before]);
    end.hear(ask(stream.id, 4));
    broken(end, "protocol");
  },
);

test.each(ROLES)("2.6 a report of more than was sent is a protocol error (%s)", (role) => {
  const reports = [
    (id: number, n: number) => credit(id, 2 ** 40, n),
    (id: number, n: number) => data(id, 0, "x", n),
    (id: number, n: number) => fin(id, 0, n),
  ];
  for (const report of reports) {
    const end = new End(role);
    const { stream } = end.open();
    write(stream, "abc");
    end.hear(report(stream.id, 4));
    broken(end, "protocol");
  }
});

test.each(ROLES)("2.7 a FIN that was not sent can't have been consumed; one that was takes one offset (%s)", (role) => {
  const early = new End(role);
  const half = early.open();
  write(half.stream, "abc");
  early.hear(credit(half.stream.id, 2 ** 40, 4));
  broken(early, "protocol");

  const end = new End(role);
  const { stream } = end.open();
  write(stream, "abc");
  stream.finish();
  expect(end.said(TYPE.FIN).map(({ offset }) => offset)).toEqual([3]);
  end.hear(credit(stream.id, 2 ** 40, 4));
  expect([end.over, stream.out.done]).toEqual([[], true]);
  end.hear(credit(stream.id, 2 ** 40, 5));
  broken(end, "protocol");
});

test.each(ROLES)("2.8 reports and limits that go back are passed over (%s)", (role) => {
  const end = new End(role);
  const { stream } = end.open(20_000);
  write(stream, "abc");
  end.hear(credit(stream.id, 30_000, 3), credit(stream.id, 10, 1), data(stream.id, 0, "x", 0));
  expect([stream.out.limit, stream.out.consumed, end.session.outstanding.sent, end.over]).toEqual([30_000, 3, 0, []]);
});

test.each(ROLES)("2.9 a FIN said twice is one, two different final sizes are a protocol error (%s)", (role) => {
  const end = new End(role);
  const sink = end.open();
  const { id } = sink.stream;
  let fins = 0;
  sink.stream.events.fin = () => (fins += 1);
  end.hear(data(id, 0, "abc"), fin(id, 3), fin(id, 3), fin(id, 3));
  expect([fins, end.over]).toEqual([1, []]);
  end.hear(fin(id, 4));
  broken(end, "protocol");
});

test.each(ROLES)("2.10 a final size below what was sent is a protocol error (%s)", (role) => {
  const end = new End(role);
  const sink = end.open();
  end.hear(data(sink.stream.id, 0, "abc"), fin(sink.stream.id, 2));
  broken(end, "protocol");
  expect(sink.fin).toBe(false);
});

test.each(ROLES)("2.11 bytes beyond the final size are a protocol error, bytes below it are late (%s)", (role) => {
  const end = new End(role);
  const sink = end.open();
  const { id } = sink.stream;
  end.hear(data(id, 0, "abc"), fin(id, 3), data(id, 1, "bc"), data(id, 3, ""));
  expect([text(sink.bytes), end.over]).toEqual(["abc", []]);
  end.hear(data(id, 3, "d"));
  broken(end, "protocol");
  expect(text(sink.bytes)).toBe("abc");
});

// 3. Ids

test("3.1 an id is opened once: while it lives a second DIAL changes nothing, after it has ended it is answered RESET", () => {
  const end = new End("agent");
  const sink = end.open();
  end.hear(dial(1));
  expect([end.dialled.length, end.session.streams.get(1), end.said(TYPE.RESET)]).toEqual([1, sink.stream, []]);
  sink.stream.reset("target-reset", "gone");
  end.forget();
  end.hear(dial(1), data(1, 0, "x"));
  expect([end.dialled.length, end.said(TYPE.RESET).map(codeOf), end.over]).toEqual([1, ["unknown"], []]);
});

test("3.2 ids may come out of order, each once", () => {
  const end = new End("agent");
  end.hear(dial(5), dial(3), dial(4), dial(3), dial(5));
  expect(end.dialled.map(({ stream }) => stream.id)).toEqual([5, 3, 4]);
  expect(end.over).toEqual([]);
});

test("3.3 a caller's ids increase and are never used again", () => {
  const end = new End("caller");
  const ids = Array.from({ length: 5 }, () => {
    const { stream } = end.opening();
    if (stream.id % 2 === 0) stream.reset("visitor-gone", "");
    return stream.id;
  });
  expect(ids).toEqual([1, 2, 3, 4, 5]);
});

test("3.4 a caller answers DATA and FIN for a stream it never opened with RESET(unknown) once, and passes over all else", () => {
  const end = new End("caller");
  end.hear(credit(40, 1, 0), ask(40, 0), reset(41), accept(42), reject(43));
  expect(end.sent).toEqual([]);
  end.hear(data(50, 0, "x"), data(50, 1, "y"), fin(50, 2), fin(51, 0), fin(51, 0));
  expect(end.sent.map((each) => [each.type, each.stream, codeOf(each)])).toEqual([
    [TYPE.RESET, 50, "unknown"],
    [TYPE.RESET, 51, "unknown"],
  ]);
  expect(end.over).toEqual([]);
});

test("3.4 an agent answers DATA and FIN for a stream whose OPEN never came with NUDGE, once a second, and passes over all else", () => {
  const end = new End("agent");
  end.hear(credit(40, 1, 0), ask(40, 0), reset(41));
  expect(end.sent).toEqual([]);
  end.hear(data(50, 0, "x"), data(50, 1, "y"), fin(51, 0));
  expect(end.sent.map(({ type }) => type)).toEqual([TYPE.NUDGE]);
  end.now += 1_000;
  end.hear(data(50, 0, "x"));
  expect(end.sent.map(({ type }) => type)).toEqual([TYPE.NUDGE, TYPE.NUDGE]);
  expect(end.over).toEqual([]);
});

test.each(ROLES)("3.5 late frames of a reset stream are dropped silently, for the last 256 of them (%s)", (role) => {
  const end = new End(role);
  const sinks = Array.from({ length: REMEMBERED_RESETS + 1 }, () => end.open());
  for (const { stream } of sinks) stream.reset("visitor-gone", "");
  end.forget();
  for (const { stream } of sinks.slice(1))
    end.hear(data(stream.id, 0, "late"), fin(stream.id, 4), credit(stream.id, 9, 0), reset(stream.id));
  expect(end.sent).toEqual([]);
  end.hear(data(sinks[0]!.stream.id, 0, "very late"));
  expect(end.said(TYPE.RESET).map(codeOf)).toEqual(["unknown"]);
});

test("3.6 one stream more than a session may have is refused, and there is room again when one ends", () => {
  const end = new End("agent");
  for (let id = 1; id <= MAX_STREAMS; id += 1) {
    end.now += 1000 / OPENS_PER_SECOND;
    end.hear(dial(id));
  }
  expect([end.session.streams.size, end.said(TYPE.REJECT)]).toEqual([MAX_STREAMS, []]);
  end.now += 1_000;
  end.hear(dial(MAX_STREAMS + 1));
  expect([end.session.streams.size, end.said(TYPE.REJECT).map(codeOf)]).toEqual([MAX_STREAMS, ["too-many"]]);
  end.hear(reset(1), dial(MAX_STREAMS + 2));
  expect([end.session.streams.size, end.said(TYPE.REJECT).length]).toEqual([MAX_STREAMS, 1]);
});

test("3.7 streams opened and reset at once are served at 400 a second, after a burst of 2,000", () => {
  const end = new End("agent");
  let id = 0;
  const flood = (count: number): number => {
    const before = end.dialled.length;
    for (let turn = 0; turn < count; turn += 1) {
      id += 1;
      end.hear(dial(id), reset(id));
    }
    return end.dialled.length - before;
  };
  expect(flood(OPEN_BURST + 500)).toBe(OPEN_BURST);
  expect(end.said(TYPE.REJECT).map(codeOf)).toEqual(Array.from({ length: 500 }, () => "busy"));
  end.now += 1_000;
  expect(flood(OPENS_PER_SECOND + 500)).toBe(OPENS_PER_SECOND);
  expect([end.session.streams.size, end.over]).toEqual([0, []]);
});

// 4. Datagrams

test("4.1 a datagram for an unknown flow is answered UNKNOWN_FLOW by an agent, which ends the caller's", () => {
  const agent = new End("agent");
  agent.hear(rawFrame(TYPE.DGRAM, { stream: 6, payload: u64(1) }));
  expect(agent.sent.map(({ type, stream }) => [type, stream])).toEqual([[TYPE.UNKNOWN_FLOW, 6]]);
  const caller = new End("caller");
  const flow = caller.open();
  caller.hear(rawFrame(TYPE.UNKNOWN_FLOW, { stream: flow.stream.id }), rawFrame(TYPE.DGRAM, { stream: 99 }));
  expect([flow.ended?.code, caller.said(TYPE.UNKNOWN_FLOW)]).toEqual(["unknown", []]);
});

test.each(ROLES)("4.2 datagrams pass with their age, uncharged and unacknowledged (%s)", (role) => {
  const end = new End(role);
  const flow = end.open();
  const heard: [string, number][] = [];
  flow.stream.events.datagram = (bytes, age) => heard.push([text([...bytes]), age]);
  end.hear(rawFrame(TYPE.DGRAM, { stream: flow.stream.id, offset: 1500, payload: new TextEncoder().encode("hi") }));
  end.forget();
  flow.stream.datagram(new TextEncoder().encode("ho"), 7);
  expect(heard).toEqual([["hi", 1500]]);
  expect(end.sent.map(({ type, offset }) => [type, offset])).toEqual([[TYPE.DGRAM, 7]]);
  expect(end.session.outstanding).toEqual({ sent: 0, received: 0 });
});

function withStream(end: End, state: "opening" | "open"): [End, number] {
  return [end, end[state]().stream.id];
}
