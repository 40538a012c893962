import { expect, test } from "vitest";
import { FairLimit } from "../../shared/fair-limit.ts";

test("a user that takes all it can get leaves as much as it has", () => {
  const places = new FairLimit<string>(512);
  let greedy = 0;
  while (places.acquire("greedy")) greedy += 1;
  expect(greedy).toBe(256);
  let neighbour = 0;
  while (places.acquire("neighbour")) neighbour += 1;
  expect(neighbour).toBe(128);
  expect(places.acquire("a third")).toBe(true);
});

test("many greedy users leave something for each newcomer, until there is nothing at all", () => {
  const places = new FairLimit<number>(64);
  for (let round = 0; round < 64; round += 1) for (let who = 0; who < 10; who += 1) places.acquire(who);
  for (let who = 0; who < 10; who += 1) expect(places.heldBy(who)).toBeGreaterThanOrEqual(5);
  expect(places.acquire(10)).toBe(true);
  expect(places.inUse).toBeLessThanOrEqual(64);
});

test("what is released is there for the next user, and no user releases what it does not hold", () => {
  const places = new FairLimit<string>(2);
  expect([places.acquire("a"), places.acquire("a")]).toEqual([true, false]);
  places.release("b");
  expect([places.acquire("b"), places.acquire("c")]).toEqual([true, false]);
  places.release("a");
  expect([places.acquire("c"), places.inUse]).toEqual([true, 2]);
});
