import fc from "fast-check";
import { expect, test } from "vitest";
import { Backoff } from "../../shared/backoff.ts";

const LATEST = 1 - 2 ** -53;

/** Waits one after the other, each begun when the one before is over. */
function waits(backoff: Backoff, count: number, from = 0): number[] {
  let now = from;
  return Array.from({ length: count }, () => {
    const wait = backoff.next(now);
    now += wait;
    return wait;
  });
}

test("three fast tries, then a ceiling that doubles to eight seconds for as long as streams may wait, then to thirty", () => {
  const longest = waits(new Backoff(() => LATEST), 40);
  expect(longest.slice(0, 3)).toEqual([399, 399, 399]);
  const slow = longest.filter((wait) => wait > 399);
  expect(slow.slice(0, 8)).toEqual([999, 1_999, 3_999, 7_999, 7_999, 7_999, 7_999, 7_999]);
  expect(new Set(slow.slice(12))).toEqual(new Set([29_999]));
});

test("a dial that nothing answered is tried again within two seconds, for as long as streams may wait", () => {
  const backoff = new Backoff(() => LATEST);
  let now = 0;
  let longest = 0;
  while (now < 600_000) {
    const wait = backoff.next(now, 0, "unanswered");
    longest = Math.max(longest, wait);
    // A dial takes its time, too.
    now += wait + 5_000;
  }
  expect(longest).toBe(1_999);
  for (let turn = 0; turn < 8; turn += 1) longest = Math.max(longest, backoff.next(now, 0, "unanswered"));
  expect(longest).toBe(29_999);
});

test("within the default grace period there are many tries, whatever the dice say", () => {
  let now = 0;
  let tries = 0;
  for (const backoff = new Backoff(() => LATEST); now < 60_000; tries += 1) now += backoff.next(now);
  expect(tries).toBeGreaterThanOrEqual(10);
});

test("waits are spread over the whole of their range, never beyond it", () => {
  const most = [399, 399, 399, 999, 1_999, 3_999, 7_999, 7_999, 7_999, 7_999];
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: LATEST, noNaN: true }), { minLength: 10, maxLength: 40 }), (dice) => {
      let turn = 0;
      const backoff = new Backoff(() => dice[turn++ % dice.length]!);
      // All within a minute as far as it knows, so that no fast try comes back.
      for (const [index, ceiling] of most.entries()) {
        const wait = backoff.next(index);
        expect(wait).toBeGreaterThanOrEqual(0);
        expect(wait).toBeLessThanOrEqual(ceiling + (index < 3 ? 0 : 999));
      }
    }),
  );
  const shortest = new Backoff(() => 0);
  expect(most.map((_, index) => shortest.next(index))).toEqual(most.map(() => 0));
});

test("after a minute there are fast tries again: a blip must cost nothing", () => {
  const backoff = new Backoff(() => LATEST);
  for (let index = 0; index < 8; index += 1) backoff.next(index);
  expect(backoff.next(60_010)).toBe(399);
});

test("only a connection that stood for thirty seconds makes the next failure a first one", () => {
  const exhausted = (): Backoff => {
    const backoff = new Backoff(() => LATEST);
    for (let index = 0; index < 6; index += 1) backoff.next(index);
    return backoff;
  };
  const flapping = exhausted();
  flapping.connectedFor(29_999);
  expect(flapping.next(100)).toBeGreaterThan(7_000);
  const stable = exhausted();
  stable.connectedFor(30_000);
  expect(stable.next(100)).toBe(999);
});

test("it never gives up and never overflows", () => {
  const backoff = new Backoff(() => LATEST);
  for (let index = 0; index < 5_000; index += 1) backoff.next(index * 20);
  expect(backoff.next(100_000)).toBe(29_999);
});

test("what the edge asked for is kept, and spread: not all agents come back in one moment", () => {
  for (const before of [0, 1, 2, 3, 6]) {
    const first = new Backoff(() => 0);
    const last = new Backoff(() => LATEST);
    for (let index = 0; index < before; index += 1) void [first.next(index), last.next(index)];
    expect(first.next(10, 60_000)).toBe(60_000);
    expect(last.next(10, 60_000)).toBeGreaterThan(60_300);
    expect(last.next(10, 60_000)).toBeLessThan(62_000);
  }
});

test("who got through last time is back within a second, however often the path has broken since", () => {
  const backoff = new Backoff(() => LATEST);
  for (let index = 0; index < 8; index += 1) backoff.next(index);
  expect(backoff.next(100, 0, "reached")).toBe(999);
});
