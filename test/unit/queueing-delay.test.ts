import { expect, test } from "vitest";
import { QueueingDelay } from "../../shared/session/queueing-delay.ts";

/** A far end whose clock says so much less than ours, and runs by so much slower. */
const AWAY = 1_234_567;

test("clocks that differ do not matter: what takes longer than the quickest of late waited for the rest", () => {
  const transit = new QueueingDelay();
  const took = [20, 25, 21, 20, 140, 20, 18, 19];
  const waited = took.map((ms, n) => transit.measure(n * 20, AWAY + n * 20 + ms));
  expect(waited.map(Math.round)).toEqual([0, 5, 1, 0, 120, 0, 0, 1]);
});

test("what was held up for five seconds is as late as it is, however much of it comes at once", () => {
  const transit = new QueueingDelay();
  for (let at = 0; at < 10_000; at += 20) transit.measure(at, AWAY + at + 20);
  // All of it is read in ten milliseconds, the oldest first.
  for (let at = 10_000; at < 15_000; at += 20) {
    const read = AWAY + 15_020 + ((at - 10_000) / 5_000) * 10;
    expect(transit.measure(at, read)).toBeCloseTo(read - AWAY - at - 20, -1);
  }
  expect(transit.measure(15_040, AWAY + 15_060)).toBe(0);
});

test("what is late for a second is late for all of it, whenever that second begins", () => {
  for (let from = 10_000; from < 14_000; from += 100) {
    const transit = new QueueingDelay();
    const took = (at: number): number => (at >= from && at < from + 1_000 ? 170 : 20);
    for (let at = 0; at < 16_000; at += 20)
      expect(transit.measure(at, AWAY + at + took(at))).toBeCloseTo(took(at) - 20, -1);
  }
});

test("it stops twice without a moment between: the second is as late as the first", () => {
  const transit = new QueueingDelay();
  for (let at = 0; at < 10_000; at += 20) transit.measure(at, AWAY + at + 20);
  for (let at = 10_000; at < 15_000; at += 20) transit.measure(at, AWAY + 15_030);
  for (let at = 15_000; at < 20_000; at += 20) expect(transit.measure(at, AWAY + 20_030)).toBeGreaterThan(20_000 - at);
});

test("a path that has become longer is believed after some seconds, for calls and for one datagram a minute", () => {
  for (const [everyMs, within] of [
    [20, 6_000 / 20],
    [60_000, 8],
  ] as const) {
    const transit = new QueueingDelay();
    let at = 0;
    for (let n = 0; n < 1_000; n += 1) transit.measure((at += everyMs), AWAY + at + 20);
    let late = 0;
    for (let n = 0; n < 1_000; n += 1) if (transit.measure((at += everyMs), AWAY + at + 520) > 100) late += 1;
    expect(late).toBeGreaterThan(0);
    expect(late).toBeLessThanOrEqual(within);
  }
});

test("clocks that drift apart by a fifth of a second an hour make nothing late, however seldom something comes", () => {
  for (const everyMs of [20, 30_000, 3_600_000])
    for (const drift of [200e-6 / 3.6, -200e-6 / 3.6]) {
      const transit = new QueueingDelay();
      const waits = Array.from({ length: 5_000 }, (_, n) =>
        transit.measure(n * everyMs * (1 - drift), AWAY + n * everyMs + 20),
      );
      expect(Math.max(...waits)).toBeLessThan(50);
    }
});

test("a sender that fills the path teaches nothing: a queue of its own that stands for minutes is not taken for the path", () => {
  const transit = new QueueingDelay();
  for (let at = 0; at < 5_000; at += 20) transit.measure(at, AWAY + at + 20);
  const waits = Array.from({ length: 5_000 }, (_, n) =>
    transit.measure(5_000 + n * 20, AWAY + 5_000 + n * 20 + 60, true),
  );
  expect(Math.min(...waits)).toBeGreaterThan(25);
});
