import { expect, test } from "vitest";
import { createLog, type Level } from "../../link/log.ts";

/** A log whose lines and clock are in our hands. */
function logOf(level: Level) {
  const world = { now: 0, lines: [] as string[] };
  const write = (line: string): void => void world.lines.push(line);
  return { world, log: createLog({ format: "json", level, write, now: () => new Date(world.now) }) };
}

test("a flood of one message is some lines and a number, and what else is to be said is said", () => {
  const { world, log } = logOf("info");
  for (let n = 0; n < 100_000; n += 1) {
    world.now = n / 100;
    log("info", "stream ended early", { n });
    if (n % 10_000 === 0) log("warn", "not connected", { n });
  }
  const said = world.lines.map((line) => JSON.parse(line) as { msg: string; leftOut?: number });
  expect(said.filter(({ msg }) => msg === "not connected")).toHaveLength(10);
  const flood = said.filter(({ msg }) => msg === "stream ended early");
  expect(flood.length).toBeLessThan(1_100);
  // A moment later the next says how many there were.
  world.now += 1_000;
  log("info", "stream ended early");
  const { leftOut } = JSON.parse(world.lines.at(-1) ?? "") as { leftOut: number };
  expect(flood.reduce((sum, each) => sum + 1 + (each.leftOut ?? 0), leftOut)).toBe(100_000);
  log("info", "stream ended early");
  expect(world.lines.at(-1)).not.toContain("leftOut");
});

test("messages that differ in an id or a number alone are one flood, and words that strangers choose add up to one", () => {
  const { world, log } = logOf("info");
  for (let n = 0; n < 50_000; n += 1)
    log("error", `request ${(n * 7919).toString(16).padStart(10, "0")}: Error: broken`);
  expect(world.lines.length).toBeLessThanOrEqual(1_000);
  const before = world.lines.length;
  const word = (n: number): string => n.toString(36).replace(/\d/g, (digit) => "ghijklmnop"[Number(digit)] ?? "");
  for (let n = 0; n < 50_000; n += 1) log("error", `a host named ${word(n)} ${word(n * 31)}`);
  expect(world.lines.length - before).toBeLessThanOrEqual(1_100);
});

test("at debug nothing is left out", () => {
  const { world, log } = logOf("debug");
  for (let n = 0; n < 5_000; n += 1) log("info", "stream ended early", { n });
  expect(world.lines).toHaveLength(5_000);
});
