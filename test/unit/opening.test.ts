import { expect, test } from "vitest";
import { intervals, rateAfter, secondsUntil } from "../../bench/harness/opening.ts";

const PRINTED = `Accepted connection from 127.0.0.1, port 40000
[  5] local 127.0.0.1 port 7000 connected to 127.0.0.1 port 40001
[ ID] Interval           Transfer     Bitrate
[  5]   0.00-0.25   sec   100 KBytes   400 KBytes/sec
[  5]   0.25-0.50   sec   512 KBytes  2048 KBytes/sec                  (omitted)
- - - - - - - - - - - - - - - - - - - - - - - - -
[  5]   0.00-0.50   sec   612 KBytes  1224 KBytes/sec                  receiver
`;

const opening = [10, 95, 20, 90, 100, 100].map((bytesPerSecond, index) => ({
  from: index / 4,
  to: (index + 1) / 4,
  bytesPerSecond,
}));

test("the intervals of a server are read without their sum", () => {
  expect(intervals(PRINTED)).toEqual([
    { from: 0, to: 0.25, bytesPerSecond: 400 * 1024 },
    { from: 0.25, to: 0.5, bytesPerSecond: 2048 * 1024 },
  ]);
});

test("a rate counts what came after the warm-up", () => {
  expect(rateAfter(opening, 1)).toBe(100);
  expect(rateAfter(opening, 9)).toBeNaN();
});

test("a stream has opened when it stays fast, not when it once was", () => {
  expect(secondsUntil(opening, 90)).toBe(1);
  expect(secondsUntil(opening, 101)).toBeNull();
});
