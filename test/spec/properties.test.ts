import fc from "fast-check";
import { expect, test } from "vitest";
import { batch } from "../../shared/wire/batch.ts";
import { decodeFrame, encodeFrame, TYPE, type Frame } from "../../shared/wire/frame.ts";
import { FRAME_CHARGE, INITIAL_CREDIT, MAX_DATA } from "../../shared/wire/limits.ts";
import { chunkOf } from "../../shared/session/stream.ts";
import { connect, pair, type Sink } from "./pair.ts";
import { accept, ask, credit, data, dial, End, fin, over, rawFrame, reject, reset, window, type Role } from "./wire.ts";

test("several streams, any writes both ways, any interleaving: each delivers its bytes, and nobody holds more than was granted", () => {
  const step = fc.record({
    act: fc.nat(6),
    stream: fc.nat(3),
    up: fc.boolean(),
    size: fc.integer({ min: 1, max: 40_000 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), fc.integer({ min: 64, max: 1024 }), (steps, windowKib) => {
      const link = pair({ window: windowKib * 1024 });
      const streams = Array.from({ length: 4 }, () => connect(link, false));
      const written = streams.map(() => ({ caller: [] as number[], agent: [] as number[] }));
      let next = 0;
      for (const { act, stream, up, size } of steps) {
        const near = up ? "caller" : "agent";
        const sink = streams[stream]![near];
        if (act <= 2 && sink.stream.isWritable) {
          const bytes = Uint8Array.from({ length: Math.ceil(size / 8) }, () => (next = (next + 1) % 251));
          sink.stream.write(chunkOf(bytes));
          written[stream]![near].push(...bytes);
        } else if (act === 3) sink.take(size);
        else if (act === 4) sink.stream.finish();
        else link.deliver(1 + (size % 9));
        heldWithin(streams.flatMap(({ caller, agent }) => [caller, agent]));
        for (const end of [link.caller, link.agent])
          expect(end.outstanding.received).toBeLessThanOrEqual(windowKib * 1024);
      }
      for (const { caller, agent } of streams) {
        caller.stream.finish();
        agent.stream.finish();
      }
      for (
        let turn = 0;
        turn < 500 && streams.some(({ caller, agent }) => caller.ended === undefined || agent.ended === undefined);
        turn += 1
      ) {
        link.deliver();
        link.clock.now += 1_000;
        for (const { caller, agent } of streams) {
          caller.take();
          agent.take();
        }
        link.caller.tick();
        link.agent.tick();
      }
      expect(link.over).toEqual([]);
      for (const [index, { caller, agent }] of streams.entries()) {
        expect([caller.ended, agent.ended]).toEqual([null, null]);
        expect({ up: agent.bytes, down: caller.bytes }).toEqual({
          up: written[index]!.caller,
          down: written[index]!.agent,
        });
      }
      const nothing = { sent: 0, received: 0 };
      expect([link.caller.outstanding, link.agent.outstanding]).toEqual([nothing, nothing]);
    }),
    { numRuns: 150 },
  );
}, 60_000);

test.each<Role>(["caller", "agent"])(
  "whatever is said to it, a session neither throws nor ends anything twice (%s)",
  (role) => {
    const id = fc.nat(5);
    const offset = fc.oneof(fc.nat(40), fc.constantFrom(INITIAL_CREDIT, 256 * 1024, 2 ** 40, Number.MAX_SAFE_INTEGER));
    const size = fc.oneof(fc.nat(40), fc.constantFrom(MAX_DATA, MAX_DATA + 1));
    const acknowledged = fc.option(fc.nat(20), { nil: undefined });
    const said: fc.Arbitrary<Frame> = fc.oneof(
      fc.tuple(id, offset, size, acknowledged).map(([stream, at, bytes, ack]) => data(stream, at, bytes, ack)),
      fc.tuple(id, offset, size, acknowledged).map(([stream, at, bytes, ack]) => data(stream, at % 4, bytes % 8, ack)),
      fc.tuple(id, offset, acknowledged).map(([stream, at, ack]) => fin(stream, at, ack)),
      fc.tuple(id, offset, fc.nat(20)).map(([stream, limit, consumed]) => credit(stream, limit, consumed)),
      fc.tuple(id, offset).map(([stream, at]) => ask(stream, at)),
      id.map((stream) => reset(stream)),
      id.map((stream) => (role === "agent" ? dial(stream) : accept(stream))),
      id.map((stream) => (role === "agent" ? dial(stream) : reject(stream))),
      offset.map((bytes) => window(bytes)),
      fc.constant(over("done", "")),
      fc
        .tuple(fc.constantFrom(...Object.values(TYPE)), id, offset, fc.uint8Array({ maxLength: 20 }), fc.nat(3))
        .map(([type, stream, at, payload, flags]) => rawFrame(type, { stream, offset: at, payload, flags })),
    );
    const action = fc.oneof(
      { weight: 4, arbitrary: said },
      { weight: 1, arbitrary: fc.constantFrom("write" as const, "finish" as const, "tick" as const, "reset" as const) },
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
        const end = new End(role, 256 * 1024);
        end.eager = false;
        const sinks = [end.open(), end.open(), end.opening()];
        const endings = new Map<number, number>();
        for (const { stream } of sinks) {
          const { ended } = stream.events;
          stream.events.ended = (failure) => {
            endings.set(stream.id, (endings.get(stream.id) ?? 0) + 1);
            ended(failure);
          };
        }
        for (const [index, each] of actions.entries()) {
          const { stream } = sinks[index % 3]!;
          if (typeof each !== "string") end.hear(each);
          else if (each === "write" && !stream.out.finishing) stream.write(chunkOf(new Uint8Array(3)));
          else if (each === "finish") stream.finish();
          else if (each === "reset") stream.reset("visitor-gone", "");
          else end.tick(700);
          heldWithin(sinks);
        }
        end.session.close("done", { code: "lost", reason: "" });
        expect(sinks.map(({ stream }) => endings.get(stream.id))).toEqual([1, 1, 1]);
        expect([end.over.length, end.session.streams.size]).toEqual([1, 0]);
        expect(end.said(TYPE.END).length).toBeLessThanOrEqual(1);
      }),
      { numRuns: 1_500 },
    );
  },
  60_000,
);

test.each<Role>(["caller", "agent"])("frames in a BATCH mean what they mean alone (%s)", (role) => {
  const step = fc.tuple(fc.nat(3), fc.integer({ min: 1, max: 2 }), fc.nat(30));
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (steps) => {
      const ends = [new End(role), new End(role)] as const;
      const sinks = ends.map((end) => [end.open(), end.open()]);
      const frames = steps.map(([kind, stream, size]) => {
        if (kind === 0) return fin(stream, size);
        if (kind === 1) return reset(stream);
        return data(stream, size % 5, size);
      });
      ends[0].hear(...frames);
      ends[1].hear(decodeFrame(batch(frames.map(({ payload, ...header }) => encodeFrame(header, payload)))));
      const seen = (index: 0 | 1): unknown => [
        ends[index].sent,
        ends[index].over,
        sinks[index]!.map(({ bytes, fin: ended }) => [bytes, ended]),
      ];
      expect(seen(1)).toEqual(seen(0));
    }),
  );
});

/** Nobody was made to hold more than it had granted, in bytes or in charge. */
function heldWithin(sinks: readonly Sink[]): void {
  for (const { stream, waiting } of sinks) {
    if (stream.over) continue;
    expect(waiting).toBeLessThanOrEqual(stream.in.limit - stream.in.consumed);
    expect(stream.in.outstanding).toBeLessThanOrEqual(256 * 1024 * (FRAME_CHARGE + 1));
  }
}
