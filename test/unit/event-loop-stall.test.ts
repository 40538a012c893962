import { expect, test } from "vitest";
import { DATAGRAM_DEADLINE_MS } from "../../shared/wire/limits.ts";
import { BEAT_MS, EventLoopStall } from "../../shared/session/event-loop-stall.ts";

/** A process whose clock and turns are in our hands. */
function process() {
  let now = 0;
  let after: (() => void)[] = [];
  const standstill = new EventLoopStall({ now: () => now, afterTurn: (run) => void after.push(run) });
  /** One turn of the event loop, after so many milliseconds: sockets give so many datagrams; answers how many of them are stale. */
  const turn = (ms: number, datagrams = 0, beats = true): number => {
    now += ms;
    let stale = 0;
    for (let n = 0; n < datagrams; n += 1) if (standstill.isStale()) stale += 1;
    if (beats) standstill.beat();
    const due = after;
    after = [];
    for (const run of due) run();
    return stale;
  };
  return { turn };
}

test("it stands still when it is away for longer than twice the deadline and a beat", () => {
  for (const [away, stale] of [
    [2 * DATAGRAM_DEADLINE_MS + BEAT_MS, 0],
    [2 * DATAGRAM_DEADLINE_MS + BEAT_MS + 1, 1],
  ] as const) {
    const { turn } = process();
    expect(turn(away, 1)).toBe(stale);
  }
});

test("while it runs, nothing is stale, however much comes", () => {
  const { turn } = process();
  let stale = 0;
  for (let n = 0; n < 1_000; n += 1) stale += turn(n % 2 === 0 ? 1 : BEAT_MS, n % 40);
  expect(stale).toBe(0);
});

test("what is read after it stood still is stale, turn by turn, until one finds nothing; what comes then is not", () => {
  const { turn } = process();
  turn(BEAT_MS, 1);
  expect([turn(5_000, 32), turn(1, 32), turn(1, 32), turn(1, 5)]).toEqual([32, 32, 32, 5]);
  expect([turn(1, 0), turn(10, 3)]).toEqual([0, 0]);
});

test("what sockets show a turn late, for that turn was under way when it stopped, is stale as well", () => {
  const { turn } = process();
  expect([turn(5_000, 0), turn(1, 7), turn(1, 0), turn(1, 7)]).toEqual([0, 7, 0, 0]);
});

test("it stands still again while it empties them", () => {
  const { turn } = process();
  expect([turn(5_000, 32), turn(5_000, 32), turn(1, 32), turn(1, 0), turn(1, 9)]).toEqual([32, 32, 32, 0, 0]);
});

test("a socket that is never empty is believed after a tenth of a second and more than it can hold", () => {
  const { turn } = process();
  turn(5_000, 32);
  let stale = 0;
  for (let n = 0; n < 1_000; n += 1) stale += turn(1, 32);
  expect(stale / 32).toBeGreaterThan(64);
  expect(stale / 32).toBeLessThan(110);
});
