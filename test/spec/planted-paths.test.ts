import { expect, test } from "vitest";
import { judge, OUTAGES, type Mutant } from "./mutants.ts";

// Faults of noticing and telling that a path is lost, planted one by one: for each, a history must fail.

const SOUND: Mutant = {
  name: "nothing is wrong",
  file: "session/lane-set.ts",
  find: "export class LaneSet<L> {",
  put: "export class LaneSet<L> { ",
};

const MUTANTS: Mutant[] = [
  {
    name: "a lane that comes again is reported only if its end still had the former one",
    file: "session/lane-set.ts",
    find: "const first = this.#live.size === 0;\n    this.#live.set(index, lane);",
    put: "const first = this.#live.size === 0;\n    if (!this.#live.has(index)) this.#dials.set(index, 1);\n    this.#live.set(index, lane);",
  },
  {
    name: "an agent that has lost a lane asks no caller to resume",
    file: "session/agent-sessions.ts",
    find: "for (const session of this.#sessions) this.#nudge(session);",
    put: "",
  },
  {
    name: "an agent whose lanes are there again asks no caller to resume",
    file: "session/agent-sessions.ts",
    find: "for (const session of this.#sessions) if (!session.up) this.#nudge(session);",
    put: "",
  },
  {
    name: "only a DIAL for a session that is gone is answered",
    file: "session/agent-sessions.ts",
    find: "if (frame.type === TYPE.END) return;",
    put: "if (frame.type !== TYPE.DIAL) return;",
  },
  {
    name: "a client does not answer for a session that is gone",
    file: "session/caller-sessions.ts",
    find: "if (answer === null) return;",
    put: "if (answer !== undefined) return;",
  },
  {
    name: "a session whose SESSION was lost is over",
    file: "wire/ending.ts",
    find: "numberField(fields, 6) === 1",
    put: "false",
  },
];

const verdicts = await judge([SOUND, ...MUTANTS], OUTAGES);

test("with nothing wrong, every history is lived through", () => {
  expect(verdicts.get(SOUND.name)).toEqual([]);
});

test.each(MUTANTS.map(({ name }) => name))("noticed: %s", (name) => {
  expect(verdicts.get(name)?.length).toBeGreaterThan(0);
});
