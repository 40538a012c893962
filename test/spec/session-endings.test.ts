import { expect, test } from "vitest";
import { batch } from "../../shared/wire/batch.ts";
import { decodeFrame, encodeFrame, TYPE } from "../../shared/wire/frame.ts";
import { HALF_CLOSED_MS } from "../../shared/wire/limits.ts";
import { encodeDial } from "../../shared/wire/open.ts";
import { chunkOf } from "../../shared/session/stream.ts";
import { connect, DIAL, pair, Sink, write } from "./pair.ts";
import { data, End } from "./wire.ts";

test("a reset made because there is room again leaves nothing held", () => {
  const end = new End("caller");
  end.eager = false;
  const sink = end.open(70_000);
  sink.stream.write(chunkOf(new Uint8Array(60_000)));
  sink.stream.write(chunkOf(new Uint8Array(40_000)));
  expect(sink.stream.isWritable).toBe(false);
  sink.stream.events.writable = () => sink.stream.reset("visitor-gone", "");
  sink.stream.out.raiseLimit(2 ** 40);
  end.hear(data(1, 0, "abc", 60_000));
  expect([sink.ended?.code, end.session.outstanding]).toEqual(["visitor-gone", { sent: 0, received: 0 }]);
});

test("when an application ends the session in the middle of a BATCH, the rest of it is not answered", () => {
  const end = new End("agent");
  const sink = end.open();
  sink.stream.events.data = () => end.session.end("done", "x");
  const frames = [data(1, 0, "a"), data(77, 0, "b")];
  end.hear(decodeFrame(batch(frames.map(({ payload, ...header }) => encodeFrame(header, payload)))));
  expect(end.said(TYPE.RESET)).toEqual([]);
});

test("a stream opened on a session that is over ends at once", async () => {
  const end = new End("caller");
  end.session.end("done", "");
  const sink = new Sink(end.session.open(TYPE.DIAL, encodeDial(DIAL)));
  await Promise.resolve();
  expect([end.session.streams.size, sink.ended === undefined]).toEqual([0, false]);
});

// A platform tells of a visitor that is gone when bytes are written to it, and not when it had sent all it would. The end that
// holds the visitor's or the target's socket says `endsHalfClosed`.
test.each(["caller", "agent"] as const)(
  "a stream of which one side has finished ends after five minutes in which nothing passes (%s)",
  (finished) => {
    const link = pair();
    const { caller, agent } = connect(link);
    caller.stream.endsHalfClosed = true;
    (finished === "caller" ? caller : agent).stream.finish();
    const pass = (ms: number): void => {
      link.clock.now += ms;
      link.caller.tick();
      link.agent.tick();
      link.deliver();
    };
    link.deliver();
    pass(HALF_CLOSED_MS - 1_000);
    write((finished === "caller" ? agent : caller).stream, "still here");
    link.deliver();
    pass(HALF_CLOSED_MS - 1_000);
    expect([caller.ended, agent.ended]).toEqual([undefined, undefined]);
    pass(HALF_CLOSED_MS + 1_000);
    expect([caller.ended?.code, agent.ended?.code]).toEqual(["visitor-gone", "visitor-gone"]);
  },
);

test("a stream of which neither side has finished may be silent for ever", () => {
  const link = pair();
  const { caller, agent } = connect(link);
  caller.stream.endsHalfClosed = true;
  link.clock.now += 100 * HALF_CLOSED_MS;
  link.caller.tick();
  link.deliver();
  expect([caller.ended, agent.ended]).toEqual([undefined, undefined]);
});
