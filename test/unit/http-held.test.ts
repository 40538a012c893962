import { expect, test } from "vitest";
import { Held, MOST_QUEUED, queuedAt } from "../../edge/relay/http-held.ts";

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
