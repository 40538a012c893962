import { expect, test } from "vitest";
import { Lull, LULL_MS } from "../../shared/session/lull.ts";
import { Path } from "../../shared/session/path.ts";

const FRAME = 256 * 1024;

/** A path whose round trip is known, with so many bytes on their way since `now`. */
function path({ roundTrip = 0.2, bytes = 0, now = 0 }): Path {
  const made = new Path();
  made.mark(now - roundTrip);
  made.echoed(now);
  if (bytes > 0) made.sent(bytes, now);
  return made;
}

/** All that is unmarked is marked, as whoever begins a lull does. */
function mark(paths: readonly Path[], now: number): void {
  for (const each of paths) if (each.unmarked > 0) each.mark(now);
}

test("a lull begins with half a MiB on its way over all lanes, ends when all of it has arrived, and the next is 3 ms later", () => {
  const paths = [path({}), path({ bytes: FRAME })];
  const lull = new Lull(() => paths);
  expect(lull.begins(FRAME, 0)).toBe(false);
  paths[0]?.sent(FRAME, 1);
  expect([lull.begins(FRAME, 1), lull.on, lull.begins(FRAME, 1)]).toEqual([true, true, false]);
  mark(paths, 1);
  expect(lull.ends(2)).toBe(false);
  paths[0]?.echoed(2);
  expect([lull.ends(2), lull.on]).toEqual([false, true]);
  paths[1]?.echoed(3);
  expect([lull.ends(3), lull.on, lull.ends(3)]).toEqual([true, false, false]);
  paths[0]?.sent(2 * FRAME, 4);
  expect(lull.begins(FRAME, 5.9)).toBe(false);
  expect(lull.begins(FRAME, 6)).toBe(true);
});

test("what is sent without bulk during a lull, and never marked, does not make it longer", () => {
  const paths = [path({ bytes: 2 * FRAME })];
  const lull = new Lull(() => paths);
  expect(lull.begins(FRAME, 0)).toBe(true);
  mark(paths, 0);
  paths[0]?.sent(100, 1);
  paths[0]?.echoed(2);
  expect(lull.ends(2)).toBe(true);
});

test.each([
  { name: "of 0.2 ms has a lull", roundTrip: 0.2, after: 3 },
  { name: "of 1.5 ms has them seldom: a lull leaves a round trip unused", roundTrip: 1.5, after: 6 },
  { name: "of 3 ms never has one: it bounds bulk itself", roundTrip: 3, after: null },
])("a path $name", ({ roundTrip, after }) => {
  const paths = [path({ roundTrip, bytes: 8 * FRAME })];
  const lull = new Lull(() => paths);
  expect(lull.begins(FRAME, 0)).toBe(after !== null);
  mark(paths, 0);
  paths[0]?.echoed(10);
  lull.ends(10);
  paths[0]?.sent(8 * FRAME, 10);
  const next = Array.from({ length: 1_000 }, (_, index) => index / 10).find((wait) => lull.begins(FRAME, 10 + wait));
  expect(next ?? null).toBe(after);
});

test("what is no bulk begins no lull, however much is on its way", () => {
  const paths = [path({ bytes: 8 * FRAME })];
  const lull = new Lull(() => paths);
  expect([lull.begins(100, 0), lull.begins(FRAME, 0)]).toEqual([false, true]);
});

test("a path that nothing is known of has no lull", () => {
  const unknown = new Path();
  unknown.sent(8 * FRAME, 0);
  expect(new Lull(() => [unknown]).begins(FRAME, 0)).toBe(false);
});

test("a lull that a dark lane makes too long is broken off, and the others have a second without one", () => {
  const paths = [path({ bytes: 2 * FRAME }), path({ bytes: 2 * FRAME })];
  const lull = new Lull(() => paths);
  expect(lull.begins(FRAME, 0)).toBe(true);
  mark(paths, 0);
  paths[0]?.echoed(1);
  lull.breakOff(LULL_MS);
  expect(lull.on).toBe(false);
  paths[0]?.sent(2 * FRAME, LULL_MS);
  expect(lull.begins(FRAME, LULL_MS + 999)).toBe(false);
  expect(lull.begins(FRAME, LULL_MS + 1_003)).toBe(true);
});
