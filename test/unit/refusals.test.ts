import { expect, test } from "vitest";
import { Refusals } from "../../edge/ingress/refusals.ts";
import type { ConnectionRecord } from "../../edge/registry/types.ts";

test("the first refusal is delivered at once, a flood once a second and by number", async () => {
  const clock = fakeClock();
  const delivered: ConnectionRecord[][] = [];
  const deliver = async (records: ConnectionRecord[]): Promise<void> => void delivered.push(records);
  const refusals = new Refusals(clock.now, clock.pause);
  await refusals.add(refusal("192.0.2.1:1"), deliver);
  expect(delivered.map((records) => records.map(({ count }) => count))).toEqual([[undefined]]);

  const flood = Array.from({ length: 5_000 }, (_, port) => refusals.add(refusal(`192.0.2.1:${port}`), deliver));
  clock.pass(1_000);
  await Promise.all(flood);
  expect(delivered.slice(1).map((records) => records.map(({ count }) => count))).toEqual([[5_000]]);
});

test("sources are told apart while they are few, and are one number when they are many", async () => {
  const clock = fakeClock();
  const delivered: ConnectionRecord[] = [];
  const deliver = async (records: ConnectionRecord[]): Promise<void> => void delivered.push(...records);
  const refusals = new Refusals(clock.now, clock.pause);
  await refusals.add(refusal("192.0.2.1:1"), deliver);
  delivered.length = 0;
  // Within a /64 it is one source, and an attacker has many of them.
  const visitors = [
    "[2001:db8::1]:1",
    "[2001:db8::2]:1",
    ...Array.from({ length: 3_000 }, (_, n) => `[2001:db8:1:${n.toString(16)}::1]:1`),
  ];
  const flood = visitors.map((visitor) => refusals.add(refusal(visitor), deliver));
  clock.pass(1_000);
  await Promise.all(flood);
  expect(delivered.length).toBeLessThanOrEqual(22);
  expect(delivered[0]).toMatchObject({ visitor: "[2001:db8::1]:1", count: 2 });
  expect(delivered.reduce((sum, { count = 1 }) => sum + count, 0)).toBe(3_002);
});

test("refusals of one kind that each have a name are told apart while they are few", async () => {
  const clock = fakeClock();
  const delivered: ConnectionRecord[] = [];
  const deliver = async (records: ConnectionRecord[]): Promise<void> => void delivered.push(...records);
  const refusals = new Refusals(clock.now, clock.pause);
  await refusals.add(refusal("192.0.2.1:1"), deliver);
  delivered.length = 0;
  const flood = Array.from({ length: 100 }, (_, n) =>
    refusals.add({ ...refusal("192.0.2.1:1"), reason: `request ${n}` }, deliver),
  );
  clock.pass(1_000);
  await Promise.all(flood);
  expect(delivered.map(({ reason, count = 1 }) => [reason, count])).toEqual(
    Array.from({ length: 8 }, (_, n) => [`request ${n}`, n === 7 ? 93 : 1]),
  );
});

test("a registry out of reach stops nothing, and a delivery that died is not waited for", async () => {
  const clock = fakeClock();
  const refusals = new Refusals(clock.now, clock.pause);
  await refusals.add(refusal("192.0.2.1:1"), () => Promise.reject(new Error("out of reach")));
  // Its visit was cancelled while it waited.
  void refusals.add(refusal("192.0.2.1:2"), () => Promise.resolve());
  clock.now.at += 6_000;
  const delivered: ConnectionRecord[] = [];
  await refusals.add(refusal("192.0.2.1:3"), async (records) => void delivered.push(...records));
  expect(delivered).toMatchObject([{ count: 2 }]);
});

function refusal(visitor: string): ConnectionRecord {
  return {
    at: 1,
    ended: 1,
    site: "lab",
    mapping: 1,
    endpoint: "8080/tcp",
    target: "10.0.0.5:80",
    visitor,
    bytesIn: 0,
    bytesOut: 0,
    outcome: "refused",
    code: "denied",
    reason: "on the deny list",
  };
}

/** A clock that is moved by hand; pauses end when their time has come. */
function fakeClock() {
  const waiting: { until: number; wake: () => void }[] = [];
  const now = Object.assign(() => now.at, { at: 1_000_000 });
  return {
    now,
    pause: (ms: number) => new Promise<void>((wake) => void waiting.push({ until: now.at + ms, wake })),
    pass: (ms: number): void => {
      now.at += ms;
      for (const { until, wake } of waiting) if (until <= now.at) wake();
    },
  };
}
