import { expect, test } from "vitest";
import { MAX_DATA, DEFAULT_DATA } from "../../shared/wire/limits.ts";
import { Path } from "../../shared/session/path.ts";

const FRAME = 64 * 1024;

type Link = { rate: number; roundTrip: number; frames: number };

/**
 * A sender that always has bulk, over a link of so many bytes a millisecond and so many milliseconds for a turn.
 * Answers what the link carried in the last fifth of the time, as a part of what it could, and what may be on its way by then.
 */
function saturate(link: Link): { used: number; limit: number; marks: number } {
  const path = new Path();
  /** When the link has taken all that was handed to it. */
  let busyUntil = 0;
  let now = 0;
  let late = 0;
  let marks = 0;
  const echoes: number[] = [];
  for (let sent = 0; sent < link.frames;) {
    if (path.maxFrame) {
      path.sent(FRAME, now);
      sent += 1;
      busyUntil = Math.max(busyUntil, now) + FRAME / link.rate;
      if (sent === Math.floor(link.frames * 0.8)) late = now;
    } else {
      now = echoes.shift() ?? Number.NaN;
      expect(path.echoed(now)).not.toBeNull();
    }
    if (path.isMarkDue(false)) {
      path.mark(now);
      marks += 1;
      echoes.push(busyUntil + link.roundTrip);
    }
  }
  const carried = link.frames * 0.2 * FRAME;
  return { used: carried / ((now - late) * link.rate), limit: path.maxInFlight, marks };
}

test.each([
  { name: "1 Gb/s, 100 ms", rate: 125_000, roundTrip: 100, frames: 20_000 },
  { name: "100 Mb/s, 40 ms", rate: 12_500, roundTrip: 40, frames: 4_000 },
  { name: "20 Mb/s, 30 ms", rate: 2_500, roundTrip: 30, frames: 1_500 },
])("bulk fills a path of $name with no more than twice what it holds, or 256 KiB", ({ rate, roundTrip, frames }) => {
  const { used, limit } = saturate({ rate, roundTrip, frames });
  expect(used).toBeGreaterThan(0.9);
  expect(limit).toBeLessThan(1.25 * Math.max(2 * rate * roundTrip, 256 * 1024));
});

test.each([
  { name: "of 1 GB/s", rate: 1_000_000, roundTrip: 1, frames: 4_000, every: 1000 * 1000 },
  { name: "of 2 Mb/s", rate: 250, roundTrip: 30, frames: 500, every: 64 * 1024 },
])("a path $name has a mark for half of what may be on its way, and at least every 64 KiB of little", (link) => {
  const { marks, limit } = saturate(link);
  const bytes = link.frames * FRAME;
  expect(marks).toBeGreaterThan(bytes / Math.max(limit, 256 * 1024));
  expect(marks).toBeLessThan((1.5 * bytes) / link.every);
});

test("of bulk that credit bounds, little more is ever unechoed than credit allows, however wide and long the path is", () => {
  const path = new Path();
  const credit = 16 * 1024 * 1024;
  const link = { rate: 125_000, roundTrip: 100 };
  let [now, busyUntil, onItsWay, most] = [0, 0, 0, 0];
  const events: { at: number; mark: boolean }[] = [];
  for (let sent = 0; sent < 20_000;) {
    if (path.maxFrame && onItsWay + FRAME <= credit) {
      path.sent(FRAME, now);
      [sent, onItsWay] = [sent + 1, onItsWay + FRAME];
      busyUntil = Math.max(busyUntil, now) + FRAME / link.rate;
      events.push({ at: busyUntil + link.roundTrip, mark: false });
      if (path.isMarkDue(false)) {
        path.mark(now);
        events.push({ at: busyUntil + link.roundTrip, mark: true });
      }
      most = Math.max(most, path.backlog);
    } else {
      const event = events.shift();
      now = event?.at ?? Number.NaN;
      if (event?.mark === true) path.echoed(now);
      else onItsWay -= FRAME;
    }
  }
  expect(onItsWay).toBeGreaterThan(credit / 2);
  // A relay ends the lane of an end that has 4 MiB more on its way than it may grant.
  expect(most).toBeLessThan(credit + 4 * 1024 * 1024);
});

test("where datagrams go, at most 64 KiB and a frame are unmarked, however wide the path is", () => {
  const path = new Path();
  path.sent(FRAME, 0);
  path.mark(0);
  path.echoed(0.1);
  expect(path.maxInFlight).toBeGreaterThan(512 * 1024);
  path.sent(FRAME - 1, 1);
  expect(path.isMarkDue(true)).toBe(false);
  path.sent(1, 1);
  expect([path.isMarkDue(true), path.isMarkDue(false)]).toEqual([true, false]);
});

test.each([
  { name: "is not known", rate: 0, bytes: DEFAULT_DATA },
  { name: "is slow", rate: 1_000, bytes: DEFAULT_DATA },
  { name: "carries 32 KB a millisecond", rate: 32_000, bytes: 128_000 },
  { name: "is as fast as loopback", rate: 500_000, bytes: MAX_DATA },
])("a frame takes four milliseconds of the path: $bytes bytes when it $name", ({ rate, bytes }) => {
  const path = new Path();
  if (rate > 0) {
    path.sent(rate, 0);
    path.mark(0);
    path.echoed(1);
  }
  expect(path.maxFrame).toBe(bytes);
});

test("a mark that was never sent, or of another total, changes nothing", () => {
  const path = new Path();
  expect(path.echoed(1)).toBeNull();
  path.sent(FRAME, 1);
  path.mark(1);
  expect([path.echoed(2, FRAME + 1), path.backlog]).toEqual([null, FRAME]);
  expect([path.echoed(2, FRAME), path.backlog]).toEqual([1, 0]);
});

test("however the limit shrinks, something is on its way that will come back", () => {
  const path = new Path();
  let now = 0;
  for (let turn = 0; turn < 500; turn += 1) {
    // Fast at first, then ever slower.
    while (path.maxFrame) {
      path.sent(FRAME, now);
      if (path.isMarkDue(false)) path.mark(now);
    }
    if (path.isMarkDue(false)) path.mark(now);
    now += 1 + turn * 10;
    expect(path.echoed(now)).not.toBeNull();
  }
});

test("echoes that come together, because an end was busy, do not make a path look faster than it is", () => {
  const path = new Path();
  const rate = 2_000_000;
  // An end that looks at its echoes every ten milliseconds only, and sends a mark just before it does.
  for (let now = 10; now < 500; now += 10) {
    path.sent(9 * rate, now - 10);
    path.mark(now - 10);
    path.sent(rate, now - 0.5);
    path.mark(now - 0.5);
    path.echoed(now);
    path.echoed(now);
  }
  // Twice a round trip of half a millisecond: the last mark's.
  expect(path.maxInFlight).toBeLessThan(1.2 * rate);
});
