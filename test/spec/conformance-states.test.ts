import { expect, test } from "vitest";
import { TYPE } from "../../shared/wire/frame.ts";
import { INITIAL_CREDIT } from "../../shared/wire/limits.ts";
import { connect, open, pair, Sink, text, write } from "./pair.ts";
import { accept, codeOf, credit, data, End, fin, reject, reset, type Role } from "./wire.ts";

// Conformance, part 2: docs/protocol.md section 4, every state of a stream and what leads out of it, for both roles.

const ROLES: Role[] = ["caller", "agent"];

/** How far each direction of a stream has come; `them` is the far end's half. */
type State = "opening" | "open" | "we finished" | "they finished" | "both finished";
const STATES: State[] = ["opening", "open", "we finished", "they finished", "both finished"];

/** A stream in this state: three bytes said each way that was open, none of them consumed by the far end. */
function inState(role: Role, state: State): { end: End; sink: Sink } {
  const end = new End(role);
  end.eager = false;
  const sink = state === "opening" ? end.opening() : end.open();
  const { id } = sink.stream;
  write(sink.stream, "abc");
  if (state === "we finished" || state === "both finished") sink.stream.finish();
  if (state !== "opening") end.hear(data(id, 0, "xyz"));
  if (state === "they finished" || state === "both finished") end.hear(fin(id, 3));
  end.forget();
  return { end, sink };
}

/** Nothing of the stream is left, and what is heard of it later is not answered. */
function gone(end: End, sink: Sink): void {
  expect([end.session.streams.size, end.session.outstanding, end.over]).toEqual([0, { sent: 0, received: 0 }, []]);
  const before = [...sink.bytes];
  const { id } = sink.stream;
  sink.stream.events = {
    data: () => expect.unreachable(),
    fin: () => expect.unreachable(),
    ended: () => expect.unreachable(),
  };
  write(sink.stream, "unheard");
  sink.stream.finish();
  sink.stream.consumed(1);
  sink.stream.reset("internal", "again");
  end.hear(credit(id, 2 ** 41, 0), reset(id));
  end.tick(5_000);
  expect([sink.bytes, end.session.outstanding]).toEqual([before, { sent: 0, received: 0 }]);
}

// 5. Opening

test("5.1 a caller's stream opens with its limit; bytes follow at once, within INITIAL_CREDIT", () => {
  const end = new End("caller");
  const { stream } = end.opening();
  expect(end.sent.map(({ type, stream: id, offset }) => [type, id, offset])).toEqual([[TYPE.DIAL, 1, 256 * 1024]]);
  write(stream, "x".repeat(INITIAL_CREDIT + 5));
  expect(end.data).toEqual([{ stream: 1, offset: 0, bytes: INITIAL_CREDIT }]);
  end.hear(accept(stream.id, INITIAL_CREDIT + 2));
  expect(end.data.at(-1)).toEqual({ stream: 1, offset: INITIAL_CREDIT, bytes: 2 });
});

test("5.2 ACCEPT is told once, and a second one changes nothing", () => {
  const end = new End("caller");
  const sink = end.opening();
  let accepted = 0;
  sink.stream.events.accepted = () => (accepted += 1);
  end.hear(accept(sink.stream.id), accept(sink.stream.id));
  expect([accepted, sink.stream.state, end.over]).toEqual([1, "open", []]);
});

test("5.3 REJECT ends a stream that was opening, with its code, reason and bytes", () => {
  const end = new End("caller");
  const sink = end.opening();
  write(sink.stream, "first flight");
  end.hear(reject(sink.stream.id, "target-refused"));
  expect(sink.ended).toEqual({ code: "target-refused", reason: "no", mayRetry: false });
  gone(end, sink);
});

test("5.4 an agent answers once: the first of ACCEPT and REJECT counts", () => {
  const end = new End("agent");
  const sink = end.opening();
  sink.stream.accept({ target: "", local: "" });
  sink.stream.accept({ target: "", local: "" });
  sink.stream.reject("busy", "");
  expect(end.sent.map(({ type }) => type)).toEqual([TYPE.ACCEPT]);
  const refused = end.opening();
  end.forget();
  refused.stream.reject("target-refused", "nothing listens there");
  refused.stream.accept({ target: "", local: "" });
  expect(end.sent.map((frame) => [frame.type, codeOf(frame)])).toEqual([[TYPE.REJECT, "target-refused"]]);
  expect(end.session.streams.size).toBe(1);
});

test("5.5 what comes before ACCEPT is given to the agent's application, FIN too", () => {
  const end = new End("agent");
  const sink = end.opening();
  end.hear(data(1, 0, "abc"), fin(1, 3));
  expect([text(sink.bytes), sink.fin, sink.stream.state]).toEqual(["abc", true, "opening"]);
});

test("5.6 a visitor that goes before the answer is RESET, and an ACCEPT or REJECT that crosses it is passed over", () => {
  for (const answer of [accept(1), reject(1)]) {
    const end = new End("caller");
    const sink = end.opening();
    sink.stream.reset("visitor-gone", "gone");
    end.hear(answer);
    expect([end.said(TYPE.RESET).map(codeOf), sink.ended?.code, end.over]).toEqual([
      ["visitor-gone"],
      "visitor-gone",
      [],
    ]);
  }
});

// 6. Endings

test.each(ROLES)("6.1 all bytes and both FINs, consumed: ended in order, once, and forgotten (%s)", (role) => {
  const { end, sink } = inState(role, "both finished");
  const { id } = sink.stream;
  sink.take();
  expect([sink.ended, end.said(TYPE.CREDIT).length]).toEqual([undefined, 1]);
  end.hear(credit(id, 2 ** 41, 4));
  expect(sink.ended).toBeNull();
  gone(end, sink);
});

test.each(ROLES)("6.2 a FIN is sent after the last byte, with the final size, and nothing after it (%s)", (role) => {
  const end = new End(role);
  const { stream } = end.open(INITIAL_CREDIT);
  write(stream, "x".repeat(INITIAL_CREDIT + 2));
  stream.finish();
  expect([end.data, end.said(TYPE.FIN)]).toEqual([[{ stream: 1, offset: 0, bytes: INITIAL_CREDIT }], []]);
  end.hear(credit(1, INITIAL_CREDIT + 2, 0));
  expect(end.sent.slice(-2).map(({ type, offset }) => [type, offset])).toEqual([
    [TYPE.DATA, INITIAL_CREDIT],
    [TYPE.FIN, INITIAL_CREDIT + 2],
  ]);
  stream.finish();
  expect(end.said(TYPE.FIN)).toHaveLength(1);
});

test.each(ROLES)("6.3 after our FIN the other direction goes on for as long as it likes (%s)", (role) => {
  const { end, sink } = inState(role, "we finished");
  const { id } = sink.stream;
  end.hear(credit(id, 2 ** 41, 4), data(id, 3, " still talking"));
  sink.take();
  expect([text(sink.bytes), sink.fin, sink.ended, end.session.streams.size]).toEqual([
    "xyz still talking",
    false,
    undefined,
    1,
  ]);
  end.hear(fin(id, 17));
  expect([sink.fin, sink.ended]).toEqual([true, null]);
  gone(end, sink);
});

test.each(ROLES)("6.4 after their FIN ours goes on for as long as it likes (%s)", (role) => {
  const { end, sink } = inState(role, "they finished");
  const { id } = sink.stream;
  sink.take();
  expect(end.said(TYPE.CREDIT).map(({ payload }) => payload.at(-1))).toEqual([4]);
  write(sink.stream, " still talking");
  sink.stream.finish();
  expect([end.data.at(-1), sink.ended]).toEqual([{ stream: id, offset: 3, bytes: 14 }, undefined]);
  end.hear(credit(id, 2 ** 41, 17));
  expect(sink.ended).toBeUndefined();
  end.hear(credit(id, 2 ** 41, 18));
  expect(sink.ended).toBeNull();
  gone(end, sink);
});

test.each(ROLES)("6.5 a FIN counts as consumed when every byte before it is, not before (%s)", (role) => {
  const { end, sink } = inState(role, "they finished");
  sink.take(2);
  end.tick(2_000);
  expect(end.said(TYPE.CREDIT).map(({ payload }) => payload.at(-1))).toEqual([2]);
  sink.take(1);
  expect(end.said(TYPE.CREDIT).map(({ payload }) => payload.at(-1))).toEqual([2, 4]);
});

test.each(ROLES)("6.6 a stream may end without a byte (%s)", (role) => {
  const end = new End(role);
  const sink = end.open();
  sink.stream.finish();
  end.hear(fin(1, 0, 1));
  expect([sink.fin, sink.ended]).toEqual([true, null]);
  gone(end, sink);
});

for (const state of STATES) {
  test.each(ROLES)(`6.7 a RESET heard while ${state} ends both directions at once, unanswered (%s)`, (role) => {
    const { end, sink } = inState(role, state);
    end.hear(reset(sink.stream.id, "target-reset"));
    expect(sink.ended).toMatchObject({ code: "target-reset", reason: "gone" });
    gone(end, sink);
    expect(end.sent).toEqual([]);
  });

  test.each(ROLES)(
    `6.8 a reset of ours while ${state} says RESET with the final size, and ends both directions (%s)`,
    (role) => {
      const { end, sink } = inState(role, state);
      sink.stream.reset("visitor-gone", "went away");
      expect(end.sent.map((frame) => [frame.type, frame.offset, codeOf(frame)])).toEqual([
        [TYPE.RESET, 3, "visitor-gone"],
      ]);
      expect(sink.ended).toEqual({ code: "visitor-gone", reason: "went away" });
      end.forget();
      gone(end, sink);
      end.hear(data(sink.stream.id, 3, "late"), fin(sink.stream.id, 7));
      expect(end.sent).toEqual([]);
    },
  );

  test.each(ROLES)(`6.9 the end of the session while ${state} ends the stream as lost (%s)`, (role) => {
    const { end, sink } = inState(role, state);
    end.session.close("done", { code: "lost", reason: "the path is gone" });
    end.session.close("done", { code: "internal", reason: "again" });
    expect([sink.ended, end.over.length, end.sent]).toEqual([{ code: "lost", reason: "the path is gone" }, 1, []]);
  });
}

test.each(ROLES)("6.10 bytes that were not sent are not sent after a reset, however much credit comes (%s)", (role) => {
  const end = new End(role);
  const sink = end.open(INITIAL_CREDIT);
  write(sink.stream, "x".repeat(INITIAL_CREDIT + 2));
  sink.stream.reset("visitor-gone", "");
  end.forget();
  end.hear(credit(1, 2 ** 40, 2));
  end.session.pump();
  expect(end.sent).toEqual([]);
});

test("6.11 a reset made while a frame of the stream is being read takes effect at once", () => {
  for (const moment of ["data", "fin", "accepted"] as const) {
    const link = pair();
    const stream = open(link);
    const near = new Sink(stream);
    stream.events[moment] = () => stream.reset("visitor-gone", "in the middle");
    link.deliver();
    const far = new Sink(link.dialled[0]!.stream);
    far.stream.accept({ target: "", local: "" });
    write(far.stream, "abc");
    far.stream.finish();
    link.deliver();
    expect([near.ended?.code, far.ended?.code]).toEqual(["visitor-gone", "visitor-gone"]);
    expect([link.caller.outstanding, link.agent.outstanding]).toEqual([
      { sent: 0, received: 0 },
      { sent: 0, received: 0 },
    ]);
    expect(link.over).toEqual([]);
  }
});

test("6.12 resets from both ends that cross end each end once, and stay unanswered", () => {
  const link = pair();
  const { caller, agent } = connect(link);
  caller.stream.reset("visitor-gone", "visitor");
  agent.stream.reset("target-reset", "target");
  link.deliver();
  expect([caller.ended?.code, agent.ended?.code]).toEqual(["visitor-gone", "target-reset"]);
  expect(link.sent.filter(({ frame }) => frame.type === TYPE.RESET)).toHaveLength(2);
});

test("6.13 whatever is said after the FINs crossed, both ends forget the stream", () => {
  const link = pair();
  const { caller, agent } = connect(link, false);
  write(caller.stream, "to the agent");
  write(agent.stream, "to the caller");
  caller.stream.finish();
  agent.stream.finish();
  link.deliver();
  expect([caller.ended, agent.ended]).toEqual([undefined, undefined]);
  caller.take();
  link.deliver();
  agent.take();
  link.deliver();
  expect([caller.ended, agent.ended]).toEqual([null, null]);
  expect([link.caller.streams.size, link.agent.streams.size]).toEqual([0, 0]);
});
