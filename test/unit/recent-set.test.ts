import { expect, test } from "vitest";
import { RecentSet } from "../../shared/session/recent-set.ts";

test("the last so many are remembered, the oldest forgotten first", () => {
  const remembered = new RecentSet<number>(3);
  for (const value of [1, 2, 3, 4]) remembered.add(value);
  expect([1, 2, 3, 4].map((value) => remembered.has(value))).toEqual([false, true, true, true]);
});

test("one that is added again takes no second place", () => {
  const remembered = new RecentSet<string>(2);
  for (const value of ["a", "b", "b", "b"]) remembered.add(value);
  expect(["a", "b"].map((value) => remembered.has(value))).toEqual([true, true]);
});
