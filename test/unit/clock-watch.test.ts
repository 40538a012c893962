import { expect, test } from "vitest";
import { ClockWatch } from "../../cli/serve/clock-watch.ts";

const HOUR = 3_600_000;

/** A watch on a clock of the test. `looks`: time has passed, and the clock was set on or back by so much meanwhile. */
function watched() {
  const at = { wall: 1_800_000_000_000, boot: 60_000 };
  const said: string[] = [];
  const watch = new ClockWatch(
    (_level, message) => said.push(message),
    () => at,
  );
  const hear = async (): Promise<never> => {
    for (;;) said.push(await watch.setBack);
  };
  void hear();
  return async (passed: number, set: number): Promise<string[]> => {
    at.wall += passed + set;
    at.boot += passed;
    watch.check();
    await Promise.resolve();
    return said.splice(0);
  };
}

test.each([HOUR, 48 * HOUR])("a clock that is set back by %i ms is told once, each time", async (by) => {
  const looks = watched();
  expect(await looks(1_000, -by)).toEqual([`the clock was set back by ${by / 1000} s`]);
  expect(await looks(1_000, 0)).toEqual([]);
  expect(await looks(1_000, by)).toEqual([`the clock was set forward by ${by / 1000} s`]);
  expect(await looks(1_000, -by)).toEqual([`the clock was set back by ${by / 1000} s`]);
});

test("a machine that slept and a clock that is corrected a little are not told", async () => {
  const looks = watched();
  expect(await looks(8 * HOUR, 0)).toEqual([]);
  for (let correction = 0; correction < 4; correction += 1) expect(await looks(1_000, -1_000)).toEqual([]);
});

test("little steps back add up", async () => {
  const looks = watched();
  for (let step = 0; step < 4; step += 1) expect(await looks(1_000, -1_000)).toEqual([]);
  expect(await looks(1_000, -1_000)).toEqual(["the clock was set back by 5 s"]);
});
