import { expect, test, vi } from "vitest";
import { WebSocketAborts } from "../../edge/relay/doors/websocket-aborts.ts";

/** Whether a promise is settled by now. */
async function isDue(promise: Promise<void>): Promise<boolean> {
  return await Promise.race([promise.then(() => true), Promise.resolve().then(() => Promise.resolve(false))]);
}

test("a WebSocket is broken off when it is said, once, and one that is not known at once", async () => {
  const aborts = new WebSocketAborts();
  const abortHandle = aborts.begin("a");
  const due = aborts.due("a");
  expect(await isDue(due)).toBe(false);
  abortHandle.now();
  abortHandle.now();
  expect(await isDue(due)).toBe(true);
  expect(await isDue(aborts.due("a"))).toBe(true);
  expect(await isDue(aborts.due("never begun"))).toBe(true);
});

test("a Worker that asks after it was said is told at once", async () => {
  const aborts = new WebSocketAborts();
  aborts.begin("a").now();
  expect(await isDue(aborts.due("a"))).toBe(true);
});

test("a visitor gets ten seconds to answer an end, and not one more", async () => {
  vi.useFakeTimers();
  try {
    const aborts = new WebSocketAborts();
    aborts.begin("a").soon();
    const due = aborts.due("a");
    vi.advanceTimersByTime(9_999);
    expect(await isDue(due)).toBe(false);
    vi.advanceTimersByTime(1);
    expect(await isDue(due)).toBe(true);
  } finally {
    vi.useRealTimers();
  }
});
