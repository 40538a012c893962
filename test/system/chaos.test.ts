import { describe, expect, test } from "vitest";
import type { History } from "../support/chaos/history.ts";
import { live } from "../support/chaos/live.ts";
import { darkUntilTold } from "../support/chaos/told.ts";
import { world } from "../support/chaos/world.ts";

// Edge, agent, client, gateway, targets and visitors on machines of their own (network namespaces), whose paths go dark.
// test/soak/chaos.test.ts lives through many more such histories, and longer ones.

const HISTORIES: readonly History[] = [
  {
    name: "an agent's path that is dark both ways for 20 s, under bulk",
    business: "busy",
    events: [{ at: 0, fault: { kind: "dark", end: "agent", way: "both", lanes: "path", seconds: 20 } }],
  },
  {
    name: "an agent that hears nothing for 16 s, and lanes that are reset meanwhile",
    business: "echo",
    events: [
      { at: 0, fault: { kind: "dark", end: "agent", way: "to", lanes: "path", seconds: 16 } },
      { at: 6, fault: { kind: "reset", end: "agent", lanes: [1], side: "edge" } },
    ],
  },
  {
    name: "a client that is not heard for 25 s while the gateway moves to another address and lanes of the agent die",
    business: "busy",
    events: [
      { at: 0, fault: { kind: "dark", end: "client", way: "from", lanes: "path", seconds: 25 } },
      { at: 0, fault: { kind: "moved", end: "gateway" } },
      { at: 8, fault: { kind: "reset", end: "agent", lanes: [0, 2], side: "end" } },
    ],
  },
  {
    name: "an agent of which two lanes never speak again and whose path goes dark for 12 s, while nothing moves and the gateway is stopped",
    business: "idle",
    events: [
      { at: 0, fault: { kind: "dark", end: "agent", way: "both", lanes: [0, 2], seconds: 25 } },
      { at: 2, fault: { kind: "dark", end: "agent", way: "both", lanes: "path", seconds: 12 } },
      { at: 4, fault: { kind: "stopped", program: "gateway", seconds: 10 } },
    ],
  },
];
/** An agent that waits for bytes takes its lanes for dead after 10 s, a relay after 25. */
const SHORT_GRACE_S = 8;
const GIVEN_UP: History = {
  name: "given up",
  business: "echo",
  events: [{ at: 0, fault: { kind: "dark", end: "agent", way: "both", lanes: "path", seconds: 22 } }],
};
/** Seconds that streams wait where they are to end: long enough to be told apart from the silence that comes before. */
const GRACE_S = 20;

describe.concurrent("a path goes dark", () => {
  test.for(HISTORIES.map((history) => [history.name, history] as const))(
    "%s: no byte is lost, no stream or flow ends",
    async ([, history], context) => {
      await using all = await world(context);
      const { fate, wrong } = await live(all, history);
      expect({ fate, wrong }).toEqual({ fate: "lives", wrong: [] });
    },
  );

  test("for longer than the agent waits, and back before the relay knows: callers that ask for what is gone are answered", async (context) => {
    await using all = await world(context, { grace: `${SHORT_GRACE_S}s` });
    const { fate, wrong } = await live(all, GIVEN_UP, SHORT_GRACE_S);
    expect({ fate, wrong }).toEqual({ fate: "either", wrong: [] });
  });

  test.for([
    ["agent", "both"],
    ["client", "from"],
  ] as const)(
    "for longer than streams wait, that of the %s, %s ways: both ends of each are told, and doors are open again with the path",
    async ([end, way], context) => {
      await using all = await world(context, { grace: `${GRACE_S}s` });
      expect(await darkUntilTold(all, end, way, GRACE_S)).toEqual([]);
    },
  );
});
