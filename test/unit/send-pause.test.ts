import { expect, test } from "vitest";
import { SendPause, SEND_PAUSE_MS } from "../../shared/session/send-pause.ts";
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

/** Marks all that is unmarked, as an end does when it begins a send pause. */
function mark(paths: readonly Path[], now: number): void {
  for (const each of paths) if (each.unmarked > 0) each.mark(now);
}

test("a send pause begins with half a MiB on its way over all lanes, ends when all of it has arrived, and the next is 3 ms later", () => {
  const paths = [path({}), path({ bytes: FRAME })];
  const pause = new SendPause(() => paths);
  expect(pause.startIfDue(FRAME, 0)).toBe(false);
  paths[0]?.sent(FRAME, 1);
  expect([pause.startIfDue(FRAME, 1), pause.isActive, pause.startIfDue(FRAME, 1)]).toEqual([true, true, false]);
  mark(paths, 1);
  expect(pause.endIfArrived(2)).toBe(false);
  paths[0]?.echoed(2);
  expect([pause.endIfArrived(2), pause.isActive]).toEqual([false, true]);
  paths[1]?.echoed(3);
  expect([pause.endIfArrived(3), pause.isActive, pause.endIfArrived(3)]).toEqual([true, false, false]);
  paths[0]?.sent(2 * FRAME, 4);
  expect(pause.startIfDue(FRAME, 5.9)).toBe(false);
  expect(pause.startIfDue(FRAME, 6)).toBe(true);
});

test("what is sent without bulk during a send pause, and never marked, does not make it longer", () => {
  const paths = [path({ bytes: 2 * FRAME })];
  const pause = new SendPause(() => paths);
  expect(pause.startIfDue(FRAME, 0)).toBe(true);
  mark(paths, 0);
  paths[0]?.sent(100, 1);
  paths[0]?.echoed(2);
  expect(pause.endIfArrived(2)).toBe(true);
});

test.each([
  { name: "of 0.2 ms has a send pause", roundTrip: 0.2, after: 3 },
  { name: "of 1.5 ms has them seldom: a send pause leaves a round trip unused", roundTrip: 1.5, after: 6 },
  { name: "of 3 ms never has one: it bounds bulk itself", roundTrip: 3, after: null },
])("a path $name", ({ roundTrip, after }) => {
  const paths = [path({ roundTrip, bytes: 8 * FRAME })];
  const pause = new SendPause(() => paths);
  expect(pause.startIfDue(FRAME, 0)).toBe(after !== null);
  mark(paths, 0);
  paths[0]?.echoed(10);
  pause.endIfArrived(10);
  paths[0]?.sent(8 * FRAME, 10);
  const next = Array.from({ length: 1_000 }, (_, index) => index / 10).find((wait) =>
    pause.startIfDue(FRAME, 10 + wait),
  );
  expect(next ?? null).toBe(after);
});

test("what is no bulk begins no send pause, however much is on its way", () => {
  const paths = [path({ bytes: 8 * FRAME })];
  const pause = new SendPause(() => paths);
  expect([pause.startIfDue(100, 0), pause.startIfDue(FRAME, 0)]).toEqual([false, true]);
});

test("a path that nothing is known of has no send pause", () => {
  const unknown = new Path();
  unknown.sent(8 * FRAME, 0);
  expect(new SendPause(() => [unknown]).startIfDue(FRAME, 0)).toBe(false);
});

test("a send pause that a dark lane makes too long is broken off, and the others have a second without one", () => {
  const paths = [path({ bytes: 2 * FRAME }), path({ bytes: 2 * FRAME })];
  const pause = new SendPause(() => paths);
  expect(pause.startIfDue(FRAME, 0)).toBe(true);
  mark(paths, 0);
  paths[0]?.echoed(1);
  pause.abort(SEND_PAUSE_MS);
  expect(pause.isActive).toBe(false);
  paths[0]?.sent(2 * FRAME, SEND_PAUSE_MS);
  expect(pause.startIfDue(FRAME, SEND_PAUSE_MS + 999)).toBe(false);
  expect(pause.startIfDue(FRAME, SEND_PAUSE_MS + 1_003)).toBe(true);
});
