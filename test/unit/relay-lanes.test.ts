import { expect, test } from "vitest";
import { requestLane, type LaneBacklogs } from "../../edge/relay/lanes/lane-choice.ts";

const KIB = 1024;

/** An agent with so many bytes on their way over each of its lanes. */
function agent(backlogs: readonly (readonly [lane: number, backlog: number])[]): LaneBacklogs {
  return { lanes: new Map(backlogs.map(([lane, backlog]) => [lane, { backlog }])) };
}

test("requests share a data lane while it is free, leave it to bulk, and never use the one of voices while there is another", () => {
  const free = [0, 1, 2].map((lane) => [lane, 0] as const);
  expect(requestLane(agent(free))).toBe(1);
  // Lanes are dialled again in any order.
  expect(requestLane(agent(free.toReversed()))).toBe(1);
  expect(
    requestLane(
      agent([
        [0, 0],
        [1, 60 * KIB],
        [2, 0],
      ]),
    ),
  ).toBe(1);
  expect(
    requestLane(
      agent([
        [0, 0],
        [1, 300 * KIB],
        [2, 0],
      ]),
    ),
  ).toBe(2);
  expect(
    requestLane(
      agent([
        [0, 0],
        [1, 300 * KIB],
        [2, 200 * KIB],
      ]),
    ),
  ).toBe(2);
  expect(
    requestLane(
      agent([
        [0, 0],
        [2, 300 * KIB],
      ]),
    ),
  ).toBe(2);
  expect(requestLane(agent([[0, 0]]))).toBe(0);
});
