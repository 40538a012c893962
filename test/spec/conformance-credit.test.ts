import { expect, test } from "vitest";
import {
  FRAME_CHARGE,
  INITIAL_CREDIT,
  MAX_DATA,
  MAX_STREAM_WINDOW,
  STREAM_WINDOW,
  DEFAULT_DATA,
} from "../../shared/wire/limits.ts";
import { decodeFrame, TYPE } from "../../shared/wire/frame.ts";
import { chunkOf, type Stream } from "../../shared/session/stream.ts";
import { connect, pair, write, type Pair, type Sink } from "./pair.ts";
import { ask, codeOf, credit, data, End, fin, reset, window, type Role } from "./wire.ts";

// Conformance, part 3: docs/protocol.md section 5, both limits at both ends, what is reported, and whose turn it is.

const ROLES: Role[] = ["caller", "agent"];
const KIB = 1024;
const MIB = 1024 * KIB;

function flood(stream: Stream, bytes: number): void {
  for (let left = bytes; left > 0; left -= DEFAULT_DATA)
    stream.write(chunkOf(new Uint8Array(Math.min(left, DEFAULT_DATA))));
}

function total(frames: { bytes: number }[]): number {
  return frames.reduce((sum, { bytes }) => sum + bytes, 0);
}

// 7. What a sender may send

test.each(ROLES)("7.1 bytes are sent up to the stream's limit and not one further (%s)", (role) => {
  const end = new End(role);
  const { stream } = end.open(100_000);
  flood(stream, 200_000);
  expect(total(end.data)).toBe(100_000);
  end.hear(credit(stream.id, 100_001, 0));
  expect([total(end.data), end.data.at(-1)]).toEqual([100_001, { stream: stream.id, offset: 100_000, bytes: 1 }]);
});

test.each(ROLES)(
  "7.2 what is sent and not consumed stays within the session's window, each frame charged 2 KiB more (%s)",
  (role) => {
    const end = new End(role);
    end.hear(window(200 * KIB));
    const [one, two] = [end.open(), end.open()];
    for (let turn = 0; turn < 8; turn += 1) for (const { stream } of [one, two]) flood(stream, 30 * KIB);
    const sent = end.data;
    expect(end.session.outstanding.sent).toBe(total(sent) + sent.length * FRAME_CHARGE);
    expect(end.session.outstanding.sent).toBeLessThanOrEqual(200 * KIB);
    expect(end.session.outstanding.sent).toBeGreaterThan(190 * KIB);
    end.forget();
    end.hear(credit(one.stream.id, 2 ** 40, one.stream.out.sent));
    expect(total(end.data)).toBeGreaterThan(80 * KIB);
    expect(end.session.outstanding.sent).toBeLessThanOrEqual(200 * KIB);
  },
);

test.each(ROLES)("7.3 charge is released when a frame's last byte is consumed, once (%s)", (role) => {
  const end = new End(role);
  const { stream } = end.open();
  for (const word of ["abc", "defg"]) write(stream, word);
  const charged = 7 + 2 * FRAME_CHARGE;
  const after = (consumed: number): number => {
    end.hear(credit(stream.id, 2 ** 40, consumed));
    return end.session.outstanding.sent;
  };
  expect([end.session.outstanding.sent, after(2), after(3), after(3), after(6), after(7), after(7)]).toEqual([
    ...[charged, charged],
    ...[4 + FRAME_CHARGE, 4 + FRAME_CHARGE, 4 + FRAME_CHARGE],
    ...[0, 0],
  ]);
});

test.each(ROLES)("7.4 one frame may always be sent when nothing is outstanding, whatever the window (%s)", (role) => {
  const end = new End(role);
  end.hear(window(0));
  const { stream } = end.open();
  flood(stream, 3 * DEFAULT_DATA);
  expect(end.data.length).toBe(1);
  end.hear(credit(stream.id, 2 ** 40, stream.out.sent));
  expect(end.data.length).toBe(2);
});

test.each(ROLES)("7.5 when the window shrinks the sender waits until it fits (%s)", (role) => {
  const end = new End(role);
  const { stream } = end.open();
  flood(stream, 4 * DEFAULT_DATA);
  end.hear(window(3 * DEFAULT_DATA));
  end.forget();
  flood(stream, DEFAULT_DATA);
  expect(end.data).toEqual([]);
  end.hear(credit(stream.id, 2 ** 40, DEFAULT_DATA));
  expect(end.data).toEqual([]);
  end.hear(credit(stream.id, 2 ** 40, 3 * DEFAULT_DATA));
  expect(total(end.data)).toBe(DEFAULT_DATA);
});

test.each(ROLES)("7.6 until it is told a window, a sender keeps within 64 KiB (%s)", (role) => {
  const end = new End(role);
  end.session.setSendWindow(64 * KIB);
  const { stream } = end.open();
  for (let turn = 0; turn < 20; turn += 1) flood(stream, 10 * KIB);
  expect(end.session.outstanding.sent).toBeLessThanOrEqual(64 * KIB);
});

test.each(ROLES)("7.7 a stream that ends gives back what it had outstanding (%s)", (role) => {
  const end = new End(role);
  end.hear(window(100 * KIB));
  const [stopped, waiting] = [end.open(), end.open()];
  flood(stopped.stream, 96 * KIB);
  flood(waiting.stream, 50 * KIB);
  expect(waiting.stream.out.sent).toBe(0);
  end.hear(reset(stopped.stream.id));
  expect([waiting.stream.out.sent, end.session.outstanding.sent]).toEqual([50 * KIB, 50 * KIB + FRAME_CHARGE]);
});

test.each(ROLES)("7.8 a FIN needs no credit: it does not wait behind others' bytes (%s)", (role) => {
  const end = new End(role);
  const [full, ending] = [end.open(), end.open()];
  write(ending.stream, "last words");
  end.hear(window(100 * KIB));
  flood(full.stream, 300 * KIB);
  expect(full.stream.out.pendingBytes).toBeGreaterThan(0);
  ending.stream.finish();
  expect(end.said(TYPE.FIN).map(({ stream, offset }) => [stream, offset])).toEqual([[ending.stream.id, 10]]);
});

test.each(ROLES)("7.9 nothing is sent while the lane has no room, and all of it in order when it has (%s)", (role) => {
  const end = new End(role);
  const { stream } = end.open();
  end.room = false;
  for (const word of ["a", "b", "c"]) write(stream, word);
  stream.finish();
  expect([end.data, end.said(TYPE.FIN)]).toEqual([[], []]);
  end.room = true;
  end.session.pump();
  expect([total(end.data), end.sent.at(-1)?.type]).toEqual([3, TYPE.FIN]);
});

test.each(ROLES)(
  "7.10 what must be sent again does not wait behind bytes that have no room in the window (%s)",
  (role) => {
    const end = new End(role);
    end.hear(window(100 * KIB));
    const [lost, waiting] = [end.open(), end.open()];
    flood(lost.stream, 96 * KIB);
    flood(waiting.stream, 50 * KIB);
    end.forget();
    end.hear(ask(lost.stream.id, 0));
    expect(end.data.map(({ stream, offset }) => [stream, offset])).toEqual([
      [lost.stream.id, 0],
      [lost.stream.id, 64 * KIB],
    ]);
  },
);

test("7.11 an agent keeps within the limit that came with DIAL, however small", () => {
  const end = new End("agent");
  const { stream } = end.open(8 * KIB);
  flood(stream, 20 * KIB);
  expect(total(end.data)).toBe(8 * KIB);
});

test.each(ROLES)("7.12 what waits on a lane without room is not looked at, however many there are (%s)", (role) => {
  const end = new End(role);
  const sinks = Array.from({ length: 64 }, () => end.open());
  end.room = false;
  for (const { stream } of sinks) write(stream, "x");
  end.asked = 0;
  end.session.pump();
  expect(end.asked).toBeLessThan(8);
  end.room = true;
  end.session.pump();
  expect(total(end.data)).toBe(64);
});

// 8. What a receiver takes

test.each(ROLES)("8.1 a byte beyond the stream's limit is a flow-control error, up to it it is not (%s)", (role) => {
  for (const excess of [0, 1]) {
    const end = new End(role);
    end.eager = false;
    const sink = end.open();
    const { limit } = sink.stream.in;
    for (let at = 0; at < limit - DEFAULT_DATA; at += DEFAULT_DATA) end.hear(data(1, at, DEFAULT_DATA));
    end.hear(data(1, limit - DEFAULT_DATA, DEFAULT_DATA - 1), data(1, limit - 1, 1 + excess));
    expect(sink.bytes.length).toBe(limit - excess);
    expect(end.over.map(({ code }) => code)).toEqual(excess === 0 ? [] : ["flow-control"]);
    expect(end.said(TYPE.END).map(codeOf)).toEqual(excess === 0 ? [] : ["flow-control"]);
  }
});

test("8.2 before ACCEPT the limit is INITIAL_CREDIT", () => {
  for (const [bytes, codes] of [
    [INITIAL_CREDIT, []],
    [INITIAL_CREDIT + 1, ["flow-control"]],
  ] as const) {
    const end = new End("agent");
    end.opening();
    end.hear(data(1, 0, bytes));
    expect(end.over.map(({ code }) => code)).toEqual(codes);
  }
});

test.each(ROLES)("8.3 a final size beyond the limit is a flow-control error (%s)", (role) => {
  const end = new End(role);
  const sink = end.open();
  end.hear(fin(1, sink.stream.in.limit + 1));
  expect(end.over.map(({ code }) => code)).toEqual(["flow-control"]);
});

test.each(ROLES)("8.4 a repeat takes no room of the window, and is not counted twice (%s)", (role) => {
  const end = new End(role);
  end.eager = false;
  end.open();
  for (let turn = 0; turn < 100; turn += 1) end.hear(data(1, 0, 10_000));
  expect([end.session.outstanding.received, end.over]).toEqual([10_000 + FRAME_CHARGE, []]);
});

test.each(ROLES)(
  "8.5 more charge than the window is a flow-control error, though no stream is beyond its limit (%s)",
  (role) => {
    const end = new End(role, 256 * KIB);
    end.eager = false;
    const sinks = [end.open(), end.open()];
    let frames = 0;
    // One byte a frame: the frames are what is counted.
    while (end.over.length === 0 && frames < 1_000) {
      const { stream } = sinks[frames % 2]!;
      end.hear(data(stream.id, stream.in.received, 1));
      frames += 1;
    }
    expect(end.over.map(({ code }) => code)).toEqual(["flow-control"]);
    expect(frames).toBe(Math.floor((256 * KIB) / (FRAME_CHARGE + 1)) + 1);
  },
);

test.each(ROLES)("8.6 one frame is taken when nothing is held, however small the window (%s)", (role) => {
  const end = new End(role, 64 * KIB);
  const sink = end.open();
  sink.stream.in.limit = MIB;
  end.hear(data(1, 0, DEFAULT_DATA));
  expect([sink.bytes.length, end.over]).toEqual([DEFAULT_DATA, []]);
});

test("8.7 bytes that were on their way when the window shrank are still taken", () => {
  const link = pair({ window: 4 * MIB });
  const { caller, agent } = connect(link, false);
  flood(caller.stream, 256 * KIB);
  link.agent.grantWindow(64 * KIB);
  link.deliver();
  expect([agent.waiting, link.over]).toEqual([256 * KIB, []]);
});

test("8.8 however crowded the session, what a caller grants with OPEN can be used in full", () => {
  const link = pair({ window: 256 * KIB });
  const crowd = Array.from({ length: 40 }, () => connect(link, false));
  for (const { agent } of crowd) flood(agent.stream, 1);
  const { caller, agent } = connect(link);
  flood(agent.stream, 20 * KIB);
  for (let turn = 0; turn < 20; turn += 1) link.deliver();
  expect([link.over, caller.bytes.length]).toEqual([[], 20 * KIB]);
});

// 9. What is reported

test.each(ROLES)("9.1 what came is reported when the application has taken it, not before (%s)", (role) => {
  const end = new End(role);
  end.eager = false;
  const sink = end.open();
  end.hear(data(1, 0, 5_000));
  end.tick(5_000);
  expect(end.said(TYPE.CREDIT)).toEqual([]);
  sink.take(3_000);
  end.tick(5_000);
  expect(consumedIn(end)).toEqual([3_000]);
  sink.take(2_000);
  end.tick(5_000);
  expect([consumedIn(end), end.session.outstanding.received]).toEqual([[3_000, 5_000], 0]);
});

test.each(ROLES)(
  "9.2 it is reported at the latest with 64 KiB of charge, so that a sender never stands still for it (%s)",
  (role) => {
    const end = new End(role);
    const sink = end.open();
    for (let at = 0; at < 40; at += 1) end.hear(data(1, at, 1));
    expect(consumedIn(end)).toEqual([32]);
    for (let at = 40; at < 40 + 64 * KIB; at += 16 * KIB) end.hear(data(1, at, 16 * KIB));
    expect(sink.stream.in.consumed - consumedIn(end).at(-1)!).toBeLessThan(64 * KIB);
  },
);

test.each(ROLES)("9.3 otherwise within a second, once, by a tick (%s)", (role) => {
  const end = new End(role);
  end.open();
  end.hear(data(1, 0, "abc"));
  end.forget();
  end.tick(999);
  expect(end.sent).toEqual([]);
  end.tick(1);
  expect(consumedIn(end)).toEqual([3]);
  end.tick(60_000);
  expect(consumedIn(end)).toEqual([3]);
});

test.each(ROLES)("9.4 a DATA or FIN that leaves anyway carries the report, and none follows (%s)", (role) => {
  const end = new End(role);
  const { stream } = end.open();
  end.hear(data(1, 0, "abc"));
  write(stream, "x");
  end.hear(data(1, 3, "de"));
  stream.finish();
  end.tick(10_000);
  expect(end.said(TYPE.CREDIT)).toEqual([]);
  expect([...end.said(TYPE.DATA), ...end.said(TYPE.FIN)].map(({ flags, payload }) => [flags, payload[7]])).toEqual([
    [1, 3],
    [1, 5],
  ]);
});

test.each(ROLES)("9.5 with nothing to report, DATA and FIN carry no ACK (%s)", (role) => {
  const end = new End(role);
  const { stream } = end.open();
  write(stream, "x");
  stream.finish();
  expect([...end.said(TYPE.DATA), ...end.said(TYPE.FIN)].map(({ flags, payload }) => [flags, payload.length])).toEqual([
    [0, 1],
    [0, 0],
  ]);
});

test.each(ROLES)("9.6 a window more than half held has everything reported at once (%s)", (role) => {
  const end = new End(role, 256 * KIB);
  end.eager = false;
  const [stopped, other] = [end.open(), end.open()];
  for (let at = 0; at < 62; at += 1) end.hear(data(stopped.stream.id, at, 1));
  end.hear(data(other.stream.id, 0, "abc"));
  other.take();
  expect(consumedIn(end)).toEqual([]);
  end.hear(data(stopped.stream.id, 62, 1), data(other.stream.id, 3, "d"));
  other.take();
  expect(consumedIn(end)).toEqual([4]);
});

test.each(ROLES)("9.7 within two ticks also when more keeps coming (%s)", (role) => {
  const end = new End(role);
  end.open();
  end.forget();
  for (let second = 0; second < 5; second += 1) {
    end.now += 900;
    end.hear(data(1, second, "x"));
    end.tick(100);
  }
  expect(consumedIn(end).length).toBeGreaterThanOrEqual(2);
});

test.each(ROLES)("9.8 however wide the window, with 1 MiB of charge, and not much sooner (%s)", (role) => {
  const end = new End(role);
  end.session.grantWindow(64 * MIB, false);
  const { stream } = end.open();
  let at = 0;
  const more = (): void => {
    // 1.3 GB a second.
    end.now += 0.05;
    end.hear(data(1, at, DEFAULT_DATA));
    at += DEFAULT_DATA;
  };
  for (let turn = 0; turn < 4_096 && stream.in.window < MAX_STREAM_WINDOW; turn += 1) more();
  const before = consumedIn(end).length;
  let furthest = 0;
  for (let turn = 0; turn < (12 * MIB) / DEFAULT_DATA; turn += 1) {
    more();
    furthest = Math.max(furthest, stream.in.consumed - (consumedIn(end).at(-1) ?? 0));
  }
  expect(end.over).toEqual([]);
  expect(furthest).toBeLessThan(MIB);
  expect(consumedIn(end).length - before).toBeLessThan(2 * 12);
});

// 10. How limits move

test.each(ROLES)("10.1 a limit only grows, and stays within consumed and the window granted (%s)", (role) => {
  const end = new End(role);
  const sink = counted(end.open());
  let at = 0;
  let before = sink.stream.in.limit;
  for (let turn = 0; turn < 200; turn += 1) {
    end.hear(data(1, at, 20_000));
    at += 20_000;
    const { limit, consumed, window: wanted } = sink.stream.in;
    expect(limit).toBeGreaterThanOrEqual(before);
    expect(limit - consumed).toBeLessThanOrEqual(wanted);
    before = limit;
  }
  expect([...new Set(end.said(TYPE.CREDIT).map(({ offset }) => offset))].at(-1)).toBe(before);
});

test("10.2 a window grows when the sender runs into it and the application keeps up, and falls back when it is quiet", () => {
  const link = pair({ window: 16 * MIB });
  const { caller, agent } = connect(link);
  counted(agent);
  for (let turn = 0; turn < 30; turn += 1) {
    while (caller.stream.isWritable) flood(caller.stream, 20_000);
    link.clock.now += 50;
    roundTrip(link);
  }
  const grown = agent.stream.in.window;
  expect(grown).toBeGreaterThanOrEqual(4 * STREAM_WINDOW);
  expect(grown).toBeLessThanOrEqual(MAX_STREAM_WINDOW);
  link.clock.now += 2_000;
  link.agent.tick();
  expect(agent.stream.in.window).toBe(STREAM_WINDOW);
});

test("10.3 a window does not grow for bytes that nobody takes", () => {
  const end = new End("agent");
  end.eager = false;
  const { stream } = end.opening();
  for (let at = 0; at < INITIAL_CREDIT / 2; at += 128) end.hear(data(1, at, 128));
  stream.accept({ target: "", local: "" });
  end.hear(data(1, INITIAL_CREDIT / 2, INITIAL_CREDIT / 2));
  for (let at = INITIAL_CREDIT; at < stream.in.limit; at += INITIAL_CREDIT) end.hear(data(1, at, INITIAL_CREDIT));
  expect([stream.in.received, stream.in.window, end.over]).toEqual([STREAM_WINDOW, STREAM_WINDOW, []]);
});

test.each(ROLES)(
  "10.4 all promises together stay within the window, but for the least that any stream gets (%s)",
  (role) => {
    const end = new End(role, 2 * MIB);
    end.eager = false;
    const sinks = Array.from({ length: 100 }, () => end.open());
    const promised = sinks.reduce((sum, { stream }) => sum + stream.in.limit - stream.in.consumed, 0);
    expect(promised).toBeLessThanOrEqual(MIB + 100 * INITIAL_CREDIT);
    expect(Math.min(...sinks.map(({ stream }) => stream.in.limit))).toBeGreaterThanOrEqual(8 * KIB);
  },
);

test("10.5 however crowded the session, a caller grants a first flight with OPEN", () => {
  const end = new End("caller", 2 * MIB);
  for (let turn = 0; turn < 100; turn += 1) end.opening();
  expect(Math.min(...end.said(TYPE.DIAL).map(({ offset }) => offset))).toBe(INITIAL_CREDIT);
});

// 11. Whose turn it is

test.each(ROLES)(
  "11.0 a frame is as large as the lane takes and the window allows, and of 64 KiB at most beyond it (%s)",
  (role) => {
    const end = new End(role);
    const { stream } = end.open();
    end.hear(window(3 * MAX_DATA), credit(stream.id, 2 ** 40, 0));
    const frames = (room: number): number[] => {
      const before = end.data.length;
      end.frame = room;
      stream.write(chunkOf(new Uint8Array(MAX_DATA)));
      return end.data.slice(before).map(({ bytes }) => bytes);
    };
    expect(frames(MAX_DATA)).toEqual([MAX_DATA]);
    expect(frames(MAX_DATA / 2)).toEqual([MAX_DATA / 2, MAX_DATA / 2]);
    const small = new End(role);
    const only = small.open().stream;
    small.frame = MAX_DATA;
    small.hear(window(1), credit(only.id, 2 ** 40, 0));
    only.write(chunkOf(new Uint8Array(MAX_DATA)));
    expect(small.data.map(({ bytes }) => bytes)).toEqual([DEFAULT_DATA]);
  },
);

test.each(ROLES)("11.1 streams with as much to say take turns, one frame each (%s)", (role) => {
  const end = new End(role);
  const streams = [end.open(), end.open(), end.open()].map(({ stream }) => stream);
  end.room = false;
  for (const stream of streams) flood(stream, 4 * DEFAULT_DATA);
  end.room = true;
  end.session.pump();
  const order = end.data.map(({ stream }) => stream);
  expect(order).toHaveLength(12);
  for (let turn = 0; turn < 12; turn += 3) expect(new Set(order.slice(turn, turn + 3)).size).toBe(3);
});

test.each(ROLES)("11.2 who has little to say goes before bulk (%s)", (role) => {
  const end = new End(role);
  const [bulk, typing] = [end.open(), end.open()];
  end.room = false;
  flood(bulk.stream, 8 * DEFAULT_DATA);
  write(typing.stream, "ls\n");
  end.room = true;
  end.session.pump();
  expect(end.data[0]).toEqual({ stream: typing.stream.id, offset: 0, bytes: 3 });
});

test.each(ROLES)("11.3 small writes are gathered when many frames are outstanding, and none is lost (%s)", (role) => {
  const end = new End(role);
  const { stream } = end.open();
  for (let turn = 0; turn < 5_000; turn += 1) write(stream, "x");
  expect(end.data).toHaveLength(64);
  end.hear(credit(1, 2 ** 40, 64));
  expect(end.data.slice(64)).toEqual([{ stream: 1, offset: 64, bytes: 4_936 }]);
});

test.each(ROLES)("11.4 a FIN sends what was being gathered (%s)", (role) => {
  const end = new End(role);
  const { stream } = end.open();
  for (let turn = 0; turn < 100; turn += 1) write(stream, "x");
  stream.finish();
  expect([total(end.data), end.said(TYPE.FIN).map(({ offset }) => offset)]).toEqual([100, [100]]);
});

test("11.5 sixty-four readers that have stopped, fed a byte at a time, leave room for one that reads", () => {
  const link = pair({ window: 4 * MIB });
  const stopped = Array.from({ length: 64 }, () => connect(link, false));
  for (let turn = 0; turn < 100; turn += 1) {
    for (const { caller } of stopped) write(caller.stream, "x");
    link.deliver();
  }
  reads(link, 2 * MIB);
});

test("11.6 sixty-four readers that have stopped with their windows full leave room for one that reads", () => {
  const link = pair({ window: 4 * MIB });
  const stopped = Array.from({ length: 64 }, () => connect(link, false));
  for (const { agent } of stopped) agent.stream.events.data = () => {};
  for (const { caller } of stopped) flood(caller.stream, 300 * KIB);
  link.deliver();
  expect(link.agent.outstanding.received).toBeLessThanOrEqual(4 * MIB);
  reads(link, 2 * MIB);
});

test("11.7 streams that ended while nothing could be sent are not kept", () => {
  const end = new End("caller");
  end.hear(window(0));
  const { stream: stopped } = end.open();
  flood(stopped, 2 * DEFAULT_DATA);
  const kept: WeakRef<Stream>[] = [];
  for (let turn = 0; turn < 2_000; turn += 1) {
    const { stream } = end.opening();
    write(stream, "never sent");
    stream.reset("visitor-gone", "");
    kept.push(new WeakRef(stream));
  }
  expect([end.session.streams.size, end.data.length]).toEqual([1, 1]);
  expect(end.session.outstanding.sent).toBe(DEFAULT_DATA + FRAME_CHARGE);
});

/** All that is on its way to the agent arrives before anything of its answers does. */
function roundTrip(link: Pair): void {
  for (const frame of link.toAgent.splice(0)) link.agent.receive(decodeFrame(frame));
  for (const frame of link.toCaller.splice(0)) link.caller.receive(decodeFrame(frame));
}

function reads(link: Pair, bytes: number): void {
  const { caller, agent } = connect(link);
  const read = { bytes: 0 };
  agent.stream.events.data = (fresh) => {
    read.bytes += fresh.byteLength;
    agent.stream.consumed(fresh.byteLength);
  };
  let written = 0;
  for (let turn = 0; turn < 2_000 && read.bytes < bytes; turn += 1) {
    if (caller.stream.isWritable && written < bytes) {
      flood(caller.stream, 16 * KIB);
      written += 16 * KIB;
    }
    link.deliver();
  }
  expect([read.bytes, link.over]).toEqual([bytes, []]);
}

/** A sink of so many bytes that keeping them would take longer than the test. */
function counted(sink: Sink): Sink {
  sink.stream.events.data = (bytes) => sink.stream.consumed(bytes.byteLength);
  return sink;
}

/** What was reported as consumed by CREDIT frames, one after the other. */
function consumedIn(end: End): number[] {
  return end
    .said(TYPE.CREDIT)
    .map(({ payload }) => Number(payload.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n)));
}
