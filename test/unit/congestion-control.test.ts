import { expect, test } from "vitest";
import { DATAGRAM_DEADLINE_MS } from "../../shared/wire/limits.ts";
import { carry, type Carried, type PathOptions } from "./datagram-path.ts";

const VOICE = { bytes: 172, everyMs: 20 };
/** A flood of three times what the path carries. */
const flood = (rate: number) => ({ bytes: 1_400, everyMs: 1_400 / rate / 3 });
const steady = (rate: number, oneWay: number): PathOptions => ({ rate: () => rate, oneWay: () => oneWay });
const share = ({ took, sent }: Carried): number => took.length / sent;
const sum = (all: readonly Carried[], of: (each: Carried) => number): number =>
  all.reduce((total, each) => total + of(each), 0);
const worst = ({ took }: Carried): number => Math.max(...took);

/** Milliseconds to a far end that gets its processor so late on average, and then reads all that has come. */
function stalls(mean: number, seed: number): (now: number) => number {
  let state = seed;
  const random = (): number => (state = (state * 16_807) % 2_147_483_647) / 2_147_483_647;
  let [until, wait] = [0, 0];
  return (now) => {
    if (now < until) return 1 + until - now;
    wait = -Math.log(random()) * mean;
    until = now + Math.max(5, wait);
    return 1 + wait;
  };
}

test("a call alone loses nothing and waits for nothing", () => {
  const { of, drops, most } = carry({ voice: VOICE }, 10_000, steady(1_000, 20));
  expect([of.voice?.took.length, of.voice?.late, drops.late]).toEqual([500, 0, 0]);
  expect(worst(of.voice as Carried)).toBeLessThan(21);
  expect(most).toBeLessThan(400);
});

test.each([
  { name: "512 kb/s", rate: 64, oneWay: 10, carried: 0.6, heard: 0.8 },
  { name: "1 Mb/s", rate: 125, oneWay: 1, carried: 0.8, heard: 0.9 },
  { name: "1 Mb/s, 60 ms", rate: 125, oneWay: 30, carried: 0.7, heard: 0.9 },
  { name: "10 Mb/s", rate: 1_250, oneWay: 1, carried: 0.95, heard: 0.99 },
  { name: "10 Mb/s, 60 ms", rate: 1_250, oneWay: 30, carried: 0.9, heard: 0.99 },
  { name: "10 Mb/s, 200 ms", rate: 1_250, oneWay: 100, carried: 0.7, heard: 0.95 },
  { name: "100 Mb/s", rate: 12_500, oneWay: 0.5, carried: 0.95, heard: 0.98 },
])(
  "a flood of three times what $name carry fills the path, nothing of it comes late, and a call beside it goes on",
  ({ rate, oneWay, carried, heard }) => {
    const ms = rate > 5_000 ? 2_000 : 10_000;
    const { of, drops } = carry({ flood: flood(rate), voice: VOICE }, ms, steady(rate, oneWay));
    const [loud, voice] = [of.flood as Carried, of.voice as Carried];
    expect((loud.took.length * 1_400) / rate / ms).toBeGreaterThan(carried);
    expect(share(voice)).toBeGreaterThan(heard);
    for (const each of [loud, voice])
      expect(worst(each)).toBeLessThan(oneWay + DATAGRAM_DEADLINE_MS + 1_400 / rate + 1);
    // Each that did not come is counted, at one end or the other.
    const lost = loud.sent + voice.sent - loud.took.length - voice.took.length;
    expect(drops.late + drops.queue + loud.late + voice.late).toBe(lost);
    // What is too much is dropped before it is carried, nearly all of it.
    expect(loud.late).toBeLessThan(0.1 * loud.sent);
  },
);

test("a flood that goes on for minutes shifts nothing: what is in time at first is what is in time at last", () => {
  const { of } = carry({ flood: flood(125), voice: VOICE }, 120_000, steady(125, 10));
  for (const each of [of.flood, of.voice] as Carried[])
    expect(worst(each)).toBeLessThan(10 + DATAGRAM_DEADLINE_MS + 15);
  expect(share(of.voice as Carried)).toBeGreaterThan(0.95);
});

test.each([
  { mean: 10, heard: 1 },
  { mean: 30, heard: 0.9 },
])(
  "a far end that gets its processor $mean ms late on average, and seldom at once, is sent all of thirty calls, for they are no queue",
  ({ mean, heard }) => {
    const runs = [1, 2, 3, 4, 5, 6, 7, 8].map((seed) => {
      const calls = Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`call ${n}`, VOICE]));
      const { of, drops } = carry(calls, 10_000, { rate: () => 12_500, oneWay: stalls(mean, seed) });
      const each = Object.values(of);
      return {
        sent: sum(each, (call) => call.sent),
        took: sum(each, (call) => call.took.length),
        kept: drops.late + drops.queue,
      };
    });
    const all = (of: "sent" | "took" | "kept"): number => runs.reduce((total, run) => total + run[of], 0);
    expect(all("took") / all("sent")).toBeGreaterThanOrEqual(heard);
    // Nearly all that is lost came too late: hardly anything is kept from going.
    expect(all("kept")).toBeLessThan(0.03 * all("sent"));
  },
);

test("what would have to wait on a path that has stopped is dropped at its sender, but for a try now and then; what was on its way, at the far end", () => {
  const dark = [[4_000, 9_000]] as const;
  const { of, drops, most } = carry({ voice: VOICE }, 12_000, { ...steady(1_000, 20), dark });
  const voice = of.voice as Carried;
  expect(worst(voice)).toBeLessThan(20 + DATAGRAM_DEADLINE_MS + 1);
  expect(voice.took.length + voice.late + drops.late).toBe(600);
  // A third of a second until it is noticed, then four a second.
  expect(voice.late).toBeLessThan(40);
  expect(most).toBeLessThan(40 * VOICE.bytes);
  // 7 s of light.
  expect(voice.took.length).toBeGreaterThan(335);
});

test("a path that becomes a tenth as fast is not filled: what was on its way is late, and nothing after it", () => {
  const rate = (now: number): number => (now < 5_000 ? 1_250 : 125);
  const { of } = carry({ flood: { bytes: 1_400, everyMs: 2.3 }, voice: VOICE }, 10_000, { rate, oneWay: () => 10 });
  expect((of.flood as Carried).late).toBeLessThan(150);
  expect(share(of.voice as Carried)).toBeGreaterThan(0.85);
});

test("a path that becomes 150 ms longer carries a call again after some seconds", () => {
  const oneWay = (now: number): number => (now < 5_000 ? 20 : 170);
  const { of, drops } = carry({ voice: VOICE }, 20_000, { rate: () => 1_000, oneWay });
  const voice = of.voice as Carried;
  expect(drops.late + voice.late).toBeLessThan(7_500 / VOICE.everyMs);
  expect(voice.took.at(-1)).toBeCloseTo(170, -1);
});

test("a path that becomes 70 ms longer under a flood is not taken for a queue of it for ever: the call beside it goes on", () => {
  const oneWay = (now: number): number => (now < 8_000 ? 20 : 90);
  const { of } = carry({ flood: { bytes: 1_400, everyMs: 1 }, voice: VOICE }, 60_000, { rate: () => 1_250, oneWay });
  expect(share(of.voice as Carried)).toBeGreaterThan(0.85);
  expect(share(of.flood as Carried)).toBeGreaterThan(0.55);
});

test("of a path that becomes half as fast and fast again, again and again, a call has nearly all, and a flood most", () => {
  const rate = (now: number): number => (Math.floor(now / 3_000) % 2 === 0 ? 1_250 : 625);
  const options = { rate, oneWay: () => 10 };
  const { of } = carry({ flood: { bytes: 1_400, everyMs: 1 }, voice: VOICE }, 30_000, options);
  expect(share(of.voice as Carried)).toBeGreaterThan(0.95);
  expect((of.flood as Carried).took.length * 1_400).toBeGreaterThan(0.8 * 30_000 * 937);
});

test("an echo that is lost stops a flow for no longer than until the next try", () => {
  const lost = (echo: number): boolean => echo % 20 === 0;
  const { of, drops } = carry({ voice: VOICE }, 40_000, { ...steady(1_000, 20), lost });
  const voice = of.voice as Carried;
  expect(voice.late).toBe(0);
  // Of 4 s between two that are lost, a third of a second.
  expect(drops.late).toBeLessThan(voice.sent / 12);
});

test("a far end that reads no times is sent ages, and all of it", () => {
  const { of, drops } = carry({ voice: VOICE }, 2_000, { ...steady(1_000, 20), timed: false });
  expect([of.voice?.took.length, of.voice?.late, drops.late]).toEqual([100, 0, 0]);
});
