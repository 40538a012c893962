import fc from "fast-check";
import { expect, test } from "vitest";
import { Bucket } from "../../shared/bucket.ts";

function taken(bucket: Bucket, tries: number, now: number): number {
  return Array.from({ length: tries }, () => bucket.take(now)).filter(Boolean).length;
}

test("a full bucket gives its burst at once, then its rate", () => {
  const bucket = new Bucket(10, 5);
  expect(taken(bucket, 20, 1_000)).toBe(5);
  expect(taken(bucket, 20, 1_050)).toBe(0);
  expect(taken(bucket, 20, 1_100)).toBe(1);
  expect(taken(bucket, 20, 1_400)).toBe(3);
});

test("a long rest fills it no further than its burst", () => {
  const bucket = new Bucket(10, 5);
  bucket.take(0);
  expect(taken(bucket, 20, 1e12)).toBe(5);
});

test("the clock's first value does not matter, and a clock that stands gives nothing", () => {
  const bucket = new Bucket(1, 1);
  expect([bucket.take(987_654_321), bucket.take(987_654_321), bucket.take(987_655_321)]).toEqual([true, false, true]);
});

test("over any stretch of time it gives no more than burst and rate, and no less than asked below them", () => {
  const steps = fc.array(fc.nat({ max: 500 }), { maxLength: 200 });
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 50 }), (gaps, rate, burst) => {
      const bucket = new Bucket(rate, burst);
      let now = 0;
      let given = 0;
      for (const gap of gaps) {
        now += gap;
        given += bucket.take(now) ? 1 : 0;
        expect(given).toBeLessThanOrEqual(burst + (now / 1_000) * rate + 1e-6);
      }
      const slowest = gaps.length === 0 ? 0 : Math.min(...gaps);
      if (slowest * rate >= 1_000) expect(given).toBe(gaps.length);
    }),
  );
});
