import { expect, test } from "vitest";
import { Held, MOST_QUEUED, queuedAt, SocketQueue } from "../../edge/relay/doors/http-held.ts";

/** A visitor whose queue is as long as is said, and a clock that is turned by hand. */
function slowVisitor() {
  const state = { queued: 0, consumed: 0, looks: [] as (() => void)[] };
  const held = new Held(
    () => state.queued,
    (bytes) => (state.consumed += bytes),
    (look) => state.looks.push(look),
  );
  return { state, held, turn: () => state.looks.splice(0).forEach((look) => look()) };
}

test("while a visitor keeps up, what is sent is consumed at once", () => {
  const { state, held } = slowVisitor();
  held.sent(100);
  state.queued = MOST_QUEUED;
  held.sent(50);
  expect(state).toEqual({ queued: MOST_QUEUED, consumed: 150, looks: [] });
});

test("while too much waits for a visitor nothing is consumed, and all of it once the queue is short again", () => {
  const { state, held, turn } = slowVisitor();
  state.queued = MOST_QUEUED + 1;
  held.sent(100);
  held.sent(100);
  turn();
  expect({ consumed: state.consumed, looks: state.looks.length }).toEqual({ consumed: 0, looks: 1 });
  state.queued = 10;
  turn();
  expect({ consumed: state.consumed, looks: state.looks.length }).toEqual({ consumed: 200, looks: 0 });
});

test("a stream that is over is not looked at any more", () => {
  const { state, held, turn } = slowVisitor();
  state.queued = MOST_QUEUED + 1;
  held.sent(100);
  held.stop();
  turn();
  expect({ consumed: state.consumed, looks: state.looks.length }).toEqual({ consumed: 0, looks: 0 });
});

test("a platform that does not tell is never waited for", () => {
  expect([queuedAt({}), queuedAt({ bufferedAmount: undefined }), queuedAt({ bufferedAmount: 7 })]).toEqual([0, 0, 7]);
});

test("while a queue does not move it is looked at less and less often, and once it moves as often as at first", () => {
  const state = { queued: MOST_QUEUED + 1, waits: [] as number[], looks: [] as (() => void)[] };
  const held = new Held(
    () => state.queued,
    () => undefined,
    (look, ms) => {
      state.waits.push(ms);
      state.looks.push(look);
    },
  );
  held.sent(100);
  for (let turn = 0; turn < 6; turn += 1) state.looks.shift()?.();
  state.queued += 5;
  state.looks.shift()?.();
  state.queued -= 6;
  state.queued = MOST_QUEUED + 1;
  state.looks.shift()?.();
  expect(state.waits).toEqual([50, 100, 200, 400, 800, 1_000, 1_000, 1_000, 50]);
});

test("what may wait is asked for anew at each look", () => {
  const state = { most: 10, consumed: 0, looks: [] as (() => void)[] };
  const held = new Held(
    () => 50,
    (bytes) => (state.consumed += bytes),
    (look) => state.looks.push(look),
    () => state.most,
  );
  held.sent(7);
  expect(state.consumed).toBe(0);
  state.most = 50;
  state.looks.shift()?.();
  expect(state.consumed).toBe(7);
});

test("a queue counts what its messages cost until it is empty", () => {
  const socket = { bufferedAmount: 0 };
  const queue = new SocketQueue(socket);
  for (let nth = 0; nth < 100; nth += 1) queue.sent();
  socket.bufferedAmount = 100;
  for (let nth = 0; nth < 10; nth += 1) queue.sent();
  expect(queue.bytes).toBe(100 + 110 * 256);
  socket.bufferedAmount = 0;
  expect(queue.bytes).toBe(0);
  socket.bufferedAmount = 1;
  queue.sent();
  expect(queue.bytes).toBe(257);
});
