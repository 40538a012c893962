import fc from "fast-check";
import { expect, test } from "vitest";
import { UnreadLimit, type SlowReader } from "../../shared/unread-limit.ts";

/** A waiter whose backlog is as long as is said, and is gone once it was evicted. */
class Slow implements SlowReader {
  readonly source: string;
  bytes = 0;
  isEvicted = false;

  constructor(source: string) {
    this.source = source;
  }

  unread(): number {
    return this.bytes;
  }

  evict(): void {
    this.isEvicted = true;
    this.bytes = 0;
  }
}

function backlogOf(most: number) {
  const clock = { now: 0 };
  return { clock, backlog: new UnreadLimit(most, () => clock.now) };
}

test("within the bound every waiter keeps its bytes", () => {
  const { backlog } = backlogOf(100);
  const waiters = ["a", "b", "c"].map((source) => new Slow(source));
  for (const [index, waiter] of waiters.entries()) {
    waiter.bytes = 30 + index;
    backlog.note(waiter);
  }
  expect(backlog.total).toBe(93);
  expect(waiters.some(({ isEvicted }) => isEvicted)).toBe(false);
});

test("beyond it the source for which most waits loses its largest waiter, whichever came last", () => {
  const { backlog } = backlogOf(100);
  const many = [20, 25, 15].map((bytes) => Object.assign(new Slow("many"), { bytes }));
  const large = Object.assign(new Slow("large"), { bytes: 35 });
  const late = Object.assign(new Slow("late"), { bytes: 10 });
  for (const waiter of [...many, large, late]) backlog.note(waiter);
  expect(many.map(({ isEvicted }) => isEvicted)).toEqual([false, true, false]);
  expect([large.isEvicted, late.isEvicted]).toEqual([false, false]);
  expect(backlog.total).toBe(80);
});

test("what has gone since the last look is found before a waiter is evicted", () => {
  const { backlog } = backlogOf(100);
  const [before, now] = [new Slow("a"), new Slow("b")];
  before.bytes = 90;
  backlog.note(before);
  before.bytes = 0;
  now.bytes = 90;
  backlog.note(now);
  expect([before.isEvicted, now.isEvicted, backlog.total]).toEqual([false, false, 90]);
});

test("a waiter that is removed is not counted any more, and may be removed twice", () => {
  const { backlog } = backlogOf(100);
  const waiter = Object.assign(new Slow("a"), { bytes: 40 });
  backlog.note(waiter);
  backlog.remove(waiter);
  backlog.remove(waiter);
  expect(backlog.total).toBe(0);
});

test("where senders can be made to wait, each waiter may hold as much as is left free", () => {
  const { backlog, clock } = backlogOf(400);
  const held = Array.from({ length: 64 }, (_, nth) => new Slow(`s${nth}`));
  for (const waiter of held) {
    waiter.bytes = backlog.limitFor(waiter, 30);
    backlog.note(waiter);
  }
  // A quarter of all, whatever their number, and the first no more than they asked for.
  expect(held.slice(0, 2).map(({ bytes }) => bytes)).toEqual([30, 30]);
  expect(backlog.total).toBeLessThanOrEqual(100);
  expect(held.some(({ isEvicted }) => isEvicted)).toBe(false);
  for (const waiter of held) waiter.bytes = 0;
  clock.now += 1_000;
  expect(backlog.limitFor(new Slow("new"), 30)).toBe(30);
});

test("whatever comes and goes, the total is what the waiters hold and never more than the bound", () => {
  const step = fc.record({ who: fc.nat(9), bytes: fc.nat(60), leaves: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const { backlog } = backlogOf(100);
      const all = Array.from({ length: 10 }, (_, nth) => new Slow(`source ${nth % 4}`));
      const counted = new Set<Slow>();
      for (const { who, bytes, leaves } of steps) {
        const waiter = all[who]!;
        waiter.bytes = bytes;
        if (leaves) {
          waiter.bytes = 0;
          backlog.remove(waiter);
          counted.delete(waiter);
        } else {
          counted.add(waiter);
          backlog.note(waiter);
        }
        expect(backlog.total).toBeLessThanOrEqual(100);
      }
      for (const waiter of counted) backlog.note(waiter);
      expect(backlog.total).toBe(all.reduce((sum, waiter) => sum + (counted.has(waiter) ? waiter.bytes : 0), 0));
    }),
  );
});
