import { expect, test } from "vitest";
import { Keepalive } from "../../shared/session/keepalive.ts";

/** Looks every half second from `from` to `to`; answers the seconds at which each thing was first said. */
function watch(keepalive: Keepalive, from: number, to: number, waiting: boolean, sinceBoot = (now: number) => now) {
  const said = { pings: [] as number[], suspect: null as number | null, dead: null as number | null };
  for (let now = from; now <= to; now += 500) {
    const { ping, suspect, dead } = keepalive.check(now, sinceBoot(now), waiting);
    if (ping) said.pings.push(now / 1000);
    if (suspect) said.suspect ??= now / 1000;
    if (dead) said.dead ??= now / 1000;
  }
  return said;
}

test("a quiet lane is pinged every ten seconds, suspected three seconds after a ping, dead after twenty-five", () => {
  expect(watch(new Keepalive(0, 0.5), 0, 30_000, false)).toEqual({ pings: [0, 10, 20, 30], suspect: 3, dead: 25.5 });
});

test("a lane with bytes waiting is pinged every two seconds and dead after ten", () => {
  const said = watch(new Keepalive(0, 0.5), 0, 12_000, true);
  expect(said).toEqual({ pings: [0, 2, 4, 6, 8, 10, 12], suspect: 3, dead: 10.5 });
});

test("an answer gives the round trip and ends the suspicion", () => {
  const keepalive = new Keepalive(0, 0.5);
  watch(keepalive, 0, 4_000, false);
  expect(keepalive.received(4_100, true)).toBe(4_100);
  expect(keepalive.check(4_500, 4_500, false)).toMatchObject({ suspect: false, dead: false });
  expect(keepalive.received(5_000, true)).toBeNull();
});

test("any message proves the path, but only an answer is a round trip", () => {
  const keepalive = new Keepalive(0, 0.5);
  watch(keepalive, 0, 1_000, false);
  expect(keepalive.received(1_200, false)).toBeNull();
  expect(watch(keepalive, 1_500, 9_500, false)).toEqual({ pings: [], suspect: null, dead: null });
});

test("a machine that slept suspects its lane at once, and does not call it dead before it has asked", () => {
  const keepalive = new Keepalive(0, 0.5);
  watch(keepalive, 0, 1_000, false);
  keepalive.received(1_000, true);
  // An hour has passed since the machine was started; the monotonic clock stood still, or went on.
  expect(keepalive.check(1_500, 3_601_500, false)).toMatchObject({ ping: true, suspect: true, dead: false });
  expect(keepalive.check(2_000, 3_602_000, false)).toMatchObject({ suspect: true });
  keepalive.received(2_100, true);
  expect(keepalive.check(2_500, 3_602_500, false)).toMatchObject({ suspect: false, dead: false });
});
