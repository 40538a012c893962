import { expect, test, vi } from "vitest";
import { Severing } from "../../edge/relay/doors/severing.ts";

/** Whether a promise is settled by now. */
async function isDue(promise: Promise<void>): Promise<boolean> {
  return await Promise.race([promise.then(() => true), Promise.resolve().then(() => Promise.resolve(false))]);
}

test("a WebSocket is broken off when it is said, once, and one that is not known at once", async () => {
  const severing = new Severing();
  const severable = severing.begin("a");
  const due = severing.due("a");
  expect(await isDue(due)).toBe(false);
  severable.now();
  severable.now();
  expect(await isDue(due)).toBe(true);
  expect(await isDue(severing.due("a"))).toBe(true);
  expect(await isDue(severing.due("never begun"))).toBe(true);
});

test("a Worker that asks after it was said is told at once", async () => {
  const severing = new Severing();
  severing.begin("a").now();
  expect(await isDue(severing.due("a"))).toBe(true);
});

test("a visitor gets ten seconds to answer an end, and not one more", async () => {
  vi.useFakeTimers();
  try {
    const severing = new Severing();
    severing.begin("a").soon();
    const due = severing.due("a");
    vi.advanceTimersByTime(9_999);
    expect(await isDue(due)).toBe(false);
    vi.advanceTimersByTime(1);
    expect(await isDue(due)).toBe(true);
  } finally {
    vi.useRealTimers();
  }
});
