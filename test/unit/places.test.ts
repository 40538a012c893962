import { expect, test } from "vitest";
import { Places } from "../../shared/places.ts";

test("whoever takes all it can get leaves as much as it has", () => {
  const places = new Places<string>(512);
  let greedy = 0;
  while (places.enter("greedy")) greedy += 1;
  expect(greedy).toBe(256);
  let neighbour = 0;
  while (places.enter("neighbour")) neighbour += 1;
  expect(neighbour).toBe(128);
  expect(places.enter("a third")).toBe(true);
});

test("of many who are greedy nobody is left without, until there is nothing at all", () => {
  const places = new Places<number>(64);
  for (let round = 0; round < 64; round += 1) for (let who = 0; who < 10; who += 1) places.enter(who);
  for (let who = 0; who < 10; who += 1) expect(places.of(who)).toBeGreaterThanOrEqual(5);
  expect(places.enter(10)).toBe(true);
  expect(places.taken).toBeLessThanOrEqual(64);
});

test("what is given back is there for the next, and nobody gives back what it has not", () => {
  const places = new Places<string>(2);
  expect([places.enter("a"), places.enter("a")]).toEqual([true, false]);
  places.leave("b");
  expect([places.enter("b"), places.enter("c")]).toEqual([true, false]);
  places.leave("a");
  expect([places.enter("c"), places.taken]).toEqual([true, 2]);
});
