import fc from "fast-check";
import { expect, test } from "vitest";
import { FRAME_CHARGE, INITIAL_CREDIT, DEFAULT_DATA } from "../../shared/wire/limits.ts";
import { TYPE } from "../../shared/wire/frame.ts";
import { chunkOf } from "../../shared/session/stream.ts";
import { connect, open, pair, Sink, text, write } from "./pair.ts";

test("bytes written before ACCEPT reach the target, and the answer comes back", () => {
  const link = pair();
  const stream = open(link);
  const caller = new Sink(stream);
  write(stream, "GET /");
  link.deliver();
  const far = link.dialled[0]!.stream;
  const agent = new Sink(far);
  // What came before the adapter was there must be kept by the adapter: here it was told at DIAL.
  expect(link.dialled[0]!.dial.target).toBe("127.2.2.101:8080");
  far.accept({ target: "127.2.2.101:8080", local: "" });
  write(far, "200 OK");
  link.deliver();
  expect(caller.accepted).toBe(true);
  expect(text(caller.bytes)).toBe("200 OK");
  expect(agent.ended).toBeUndefined();
});

test("both directions end in order: every byte, both FINs, and both ends forget the stream", () => {
  const link = pair();
  const { caller, agent } = connect(link);
  write(caller.stream, "ping");
  caller.stream.finish();
  link.deliver();
  expect(text(agent.bytes)).toBe("ping");
  expect(agent.fin).toBe(true);
  write(agent.stream, "half-closed, still talking");
  agent.stream.finish();
  link.deliver();
  expect(text(caller.bytes)).toBe("half-closed, still talking");
  expect([caller.ended, agent.ended]).toEqual([null, null]);
  expect([link.caller.streams.size, link.agent.streams.size]).toEqual([0, 0]);
  expect([link.caller.outstanding, link.agent.outstanding]).toEqual([
    { sent: 0, received: 0 },
    { sent: 0, received: 0 },
  ]);
});

test("a reset ends both directions once, and late frames of it are dropped silently", () => {
  const link = pair();
  const { caller, agent } = connect(link);
  write(caller.stream, "on its way");
  agent.stream.reset("target-reset", "gone");
  link.deliver();
  expect(caller.ended).toEqual(expect.objectContaining({ code: "target-reset", reason: "gone" }));
  expect(agent.ended).toEqual({ code: "target-reset", reason: "gone" });
  expect(link.sent.filter(({ frame }) => frame.type === TYPE.RESET)).toHaveLength(1);
  expect(link.over).toEqual([]);
});

test("DATA for a stream that a caller never opened is answered RESET(unknown), once", () => {
  const link = pair();
  for (const offset of [0, 1]) {
    link.caller.receive({
      type: TYPE.DATA,
      flags: 0,
      lane: 0,
      channel: 3,
      slot: 7,
      stream: 99,
      offset,
      payload: new Uint8Array(1),
    });
  }
  expect(link.sent.map(({ from, frame }) => [from, frame.type, frame.stream])).toEqual([["caller", TYPE.RESET, 99]]);
});

test("a reader that has stopped holds no more than its grant, and others go on", () => {
  const link = pair({ window: 1024 * 1024 });
  const stopped = connect(link, false);
  const other = connect(link);
  const block = new Uint8Array(DEFAULT_DATA);
  for (let turn = 0; turn < 64; turn += 1) {
    if (stopped.caller.stream.isWritable) stopped.caller.stream.write(chunkOf(block));
    if (other.caller.stream.isWritable) other.caller.stream.write(chunkOf(block));
    link.deliver();
  }
  expect(stopped.agent.waiting).toBeLessThanOrEqual(256 * 1024);
  expect(stopped.caller.stream.isWritable).toBe(false);
  expect(other.agent.bytes.length).toBe(64 * DEFAULT_DATA);
  expect(link.over).toEqual([]);
});

test("64 stopped readers leave room for one that reads", () => {
  const link = pair({ window: 4 * 1024 * 1024 });
  const stopped = Array.from({ length: 64 }, () => connect(link, false));
  const reader = connect(link);
  const block = new Uint8Array(DEFAULT_DATA / 4);
  for (let turn = 0; turn < 40; turn += 1) {
    for (const { caller } of [...stopped, reader]) if (caller.stream.isWritable) caller.stream.write(chunkOf(block));
    link.deliver();
  }
  expect(reader.agent.bytes.length).toBeGreaterThan(20 * block.length);
  expect(link.agent.outstanding.received).toBeLessThanOrEqual(4 * 1024 * 1024);
  expect(link.over).toEqual([]);
});

test("a window of one-byte writes is charged by the frame and gathered, never unbounded", () => {
  const link = pair({ window: 1024 * 1024 });
  const { caller, agent } = connect(link, false);
  let written = 0;
  while (caller.stream.isWritable && written < 1_000_000) {
    write(caller.stream, "x");
    written += 1;
    link.deliver();
  }
  const frames = link.sent.filter(({ from, frame }) => from === "caller" && frame.type === TYPE.DATA).length;
  expect(frames * FRAME_CHARGE).toBeLessThanOrEqual(1024 * 1024);
  expect(agent.waiting + caller.stream.out.pendingBytes).toBe(written);
  agent.take();
  link.deliver();
  while (agent.waiting > 0) {
    agent.take();
    link.deliver();
  }
  expect(agent.bytes.length).toBe(written);
});

test("a byte beyond the limit ends the session, and nothing of it is delivered", () => {
  const link = pair();
  const stream = open(link);
  link.deliver();
  const far = new Sink(link.dialled[0]!.stream, false);
  stream.out.limit = INITIAL_CREDIT + 1;
  for (let sent = 0; sent < INITIAL_CREDIT + 1; sent += 4096)
    stream.write(chunkOf(new Uint8Array(Math.min(4096, INITIAL_CREDIT + 1 - sent))));
  link.deliver();
  expect(link.over[0]).toEqual(expect.objectContaining({ end: "agent", code: "flow-control" }));
  expect(far.bytes.length).toBeLessThanOrEqual(INITIAL_CREDIT);
});

test("what is consumed and small is reported within a second, so that nothing is kept for ever", () => {
  const link = pair();
  const { caller, agent } = connect(link);
  write(caller.stream, "hello");
  link.deliver();
  expect(agent.bytes.length).toBe(5);
  expect(link.caller.outstanding.sent).toBe(5 + FRAME_CHARGE);
  link.clock.now += 1_500;
  link.agent.tick();
  link.deliver();
  expect(link.caller.outstanding.sent).toBe(0);
});

test("an answer carries the acknowledgement: no CREDIT frames in a dialogue of small messages", () => {
  const link = pair();
  const { caller, agent } = connect(link);
  for (let turn = 0; turn < 20; turn += 1) {
    write(caller.stream, "?");
    link.deliver();
    write(agent.stream, "!");
    link.deliver();
  }
  expect(link.sent.filter(({ frame }) => frame.type === TYPE.CREDIT)).toHaveLength(0);
  expect(link.caller.outstanding.sent).toBe(0);
});

test("any writes, any delivery order between directions, any consumption: the same bytes, in order, and both ends return to nothing", () => {
  const action = fc.oneof(
    fc.record({
      kind: fc.constant("write" as const),
      end: fc.boolean(),
      size: fc.integer({ min: 1, max: DEFAULT_DATA }),
    }),
    fc.record({ kind: fc.constant("deliver" as const), count: fc.integer({ min: 1, max: 20 }) }),
    fc.record({ kind: fc.constant("take" as const), end: fc.boolean(), size: fc.integer({ min: 1, max: 200_000 }) }),
    fc.record({ kind: fc.constant("tick" as const), by: fc.integer({ min: 1, max: 3_000 }) }),
    fc.record({ kind: fc.constant("room" as const), open: fc.boolean() }),
  );
  fc.assert(
    fc.property(
      fc.array(action, { maxLength: 60 }),
      fc.integer({ min: 64 * 1024, max: 1024 * 1024 }),
      (actions, window) => {
        const link = pair({ window });
        const ends = connect(link, false);
        const written = { caller: [] as number[], agent: [] as number[] };
        let next = 0;
        for (const step of actions) {
          switch (step.kind) {
            case "write": {
              const name = step.end ? "caller" : "agent";
              if (!ends[name].stream.isWritable) break;
              const bytes = Uint8Array.from({ length: Math.ceil(step.size / 16) }, () => (next = (next + 1) % 251));
              ends[name].stream.write(chunkOf(bytes));
              written[name].push(...bytes);
              break;
            }
            case "deliver":
              link.deliver(step.count);
              break;
            case "take":
              (step.end ? ends.caller : ends.agent).take(step.size);
              break;
            case "tick":
              link.clock.now += step.by;
              link.caller.tick();
              link.agent.tick();
              break;
            case "room":
              link.room.open = step.open;
              link.caller.pump();
              link.agent.pump();
          }
          if (link.caller.outstanding.sent > Math.max(window, DEFAULT_DATA + FRAME_CHARGE))
            throw new Error("over the window");
        }
        link.room.open = true;
        ends.caller.stream.finish();
        ends.agent.stream.finish();
        for (let turn = 0; turn < 500 && ends.caller.ended === undefined; turn += 1) {
          link.caller.pump();
          link.agent.pump();
          link.deliver();
          ends.caller.take();
          ends.agent.take();
          link.deliver();
        }
        expect(ends.caller.ended).toBeNull();
        expect(ends.agent.ended).toBeNull();
        expect(ends.agent.bytes).toEqual(written.caller);
        expect(ends.caller.bytes).toEqual(written.agent);
        expect([link.caller.outstanding, link.agent.outstanding]).toEqual([
          { sent: 0, received: 0 },
          { sent: 0, received: 0 },
        ]);
        expect(link.over).toEqual([]);
      },
    ),
    { numRuns: 200 },
  );
});
