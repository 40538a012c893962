import { expect, test } from "vitest";
import { Pacer } from "../../shared/session/pacer.ts";

test("a quarter of a second's worth goes at once, the rest in order, evenly, and none is lost", () => {
  const { pacer, advance } = paced(1_000);
  const gone: number[] = [];
  for (let each = 0; each < 10; each += 1) pacer.take(100, () => gone.push(each));
  expect(gone).toEqual([0, 1, 2]);
  for (const expected of [4, 5, 6, 7, 8, 9, 10]) {
    advance(100);
    expect(gone).toHaveLength(expected);
  }
  expect(gone).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("what is larger than the burst goes, and what follows waits for it", () => {
  const { pacer, advance } = paced(1_000);
  const gone: string[] = [];
  pacer.take(5_000, () => gone.push("large"));
  pacer.take(1, () => gone.push("small"));
  expect(gone).toEqual(["large"]);
  advance(4_700);
  expect(gone).toEqual(["large"]);
  advance(60);
  expect(gone).toEqual(["large", "small"]);
});

test("what can't wait is told at once that there is no room", () => {
  const { pacer, advance } = paced(1_000);
  const taken = Array.from({ length: 10 }, () => pacer.takeNow(100));
  expect(taken.filter(Boolean)).toHaveLength(4);
  advance(100);
  expect([pacer.takeNow(100), pacer.takeNow(100)]).toEqual([true, false]);
});

/** A pacer on a clock of its own. */
function paced(rate: number) {
  let now = 1_000_000;
  let timers: { at: number; run: () => void }[] = [];
  const pacer = new Pacer(rate, { now: () => now, later: (ms, run) => void timers.push({ at: now + ms, run }) });
  return {
    pacer,
    advance: (ms: number) => {
      const end = now + ms;
      for (;;) {
        const next = timers.toSorted((a, b) => a.at - b.at)[0];
        if (next === undefined || next.at > end) break;
        timers = timers.filter((timer) => timer !== next);
        now = next.at;
        next.run();
      }
      now = end;
    },
  };
}
