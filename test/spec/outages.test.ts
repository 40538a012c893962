import { expect, test } from "vitest";
import type { Both } from "./traffic.ts";
import { World } from "./world.ts";

// One outage each, and how soon streams go on once it is over. With `former`, the relay is one of before 0.2, which tells
// nobody what it has lost: then the ends alone make it good.

/** Milliseconds within which a stream speaks again once the path is light and its lanes are there. */
const SOON_MS = 3_000;

const RELAYS = [
  ["a relay", false],
  ["a former relay", true],
] as const;

test.each(RELAYS)(
  "after the agent's path was dark for 30 s, either way, both directions go on at once (%s)",
  (_, former) => {
    for (const ways of [["up"], ["down"], ["up", "down"]] as const) {
      const { world, stream } = anOpenStream(former);
      for (const way of ways) world.darken("agent", way, 30_000);
      // The visitor waits for an answer, and says nothing that would show that the session was lost.
      world.wait(30_000);
      world.until(() => world.connected("agent"), "the agent is back");
      world.wait(500);
      world.says(stream, "down", SOON_MS);
      world.says(stream, "up", SOON_MS);
    }
  },
);

test.each(RELAYS)(
  "after the client's path was dark for 30 s, either way, both directions go on at once (%s)",
  (_, former) => {
    for (const ways of [["up"], ["down"], ["up", "down"]] as const) {
      const { world, stream } = anOpenStream(former);
      for (const way of ways) world.darken("caller", way, 30_000);
      world.wait(30_000);
      world.until(() => world.connected("caller"), "the client is back");
      world.wait(500);
      world.says(stream, "down", SOON_MS);
      world.says(stream, "up", SOON_MS);
    }
  },
);

test.each(["agent", "caller"] as const)("one lane that comes back is enough (%s)", (who) => {
  const { world, stream } = anOpenStream(false);
  world.hold(who, 1, 2);
  world.forget(who);
  world.darken(who, "up", 30_000);
  world.darken(who, "down", 30_000);
  world.wait(30_000);
  expect(world.connected(who)).toBe(false);
  world.until(() => world.connected(who), "it is back");
  world.says(stream, "down", SOON_MS);
  world.says(stream, "up", SOON_MS);
});

test("an agent that comes back with one lane, to a former relay that never saw it go, asks its callers to resume", () => {
  const { world, stream } = anOpenStream(true);
  world.hold("agent", 1, 2);
  world.forget("agent");
  world.darken("agent", "up", 30_000);
  world.wait(30_000);
  world.until(() => world.connected("agent"), "it is back");
  world.says(stream, "down", SOON_MS);
});

test("an agent that comes back under another number loses nothing, though its first word comes before ROUTES", () => {
  const { world, stream } = anOpenStream(false);
  const [first] = world.wires.caller.filter(({ index }) => index === 0);
  first?.dark.add("down");
  for (const wire of world.wires.agent) wire.reset(["end", "relay"], world.now);
  world.wait(800);
  // ROUTES went into the lane that is lost now; what the relay says next comes by another.
  first?.reset(["relay"], world.now);
  world.wait(10_000);
  world.says(stream, "down", SOON_MS);
  world.says(stream, "up", SOON_MS);
});

test("what a relay sends into an agent's old lanes, while that has one new lane only, arrives once it has the others", () => {
  const { world, stream } = anOpenStream(true);
  world.hold("agent", 1, 2);
  world.forget("agent");
  world.wait(40_000);
  expect(world.connected("agent")).toBe(true);
  expect(() => world.says(stream, "up", 1_000)).toThrow(/says nothing/);
  world.release("agent");
  world.says(stream, "up", SOON_MS);
});

test("a lane that the agent alone knows to be lost costs nothing, though it is not dialled again", () => {
  const { world, stream } = anOpenStream(true);
  world.hold("agent", 1, 2);
  for (const wire of world.wires.agent) if (wire.index > 0) wire.reset(["end"], world.now);
  world.wait(500);
  world.says(stream, "down", SOON_MS);
});

test("a session that is over at the client alone is over at the agent, too, as soon as that says something", () => {
  const { world, stream } = anOpenStream(true);
  world.expected = true;
  world.hold("caller", 0, 1, 2);
  world.forget("caller");
  world.wait(100_000);
  expect([stream.near.endings, stream.agent.endings]).toEqual([1, 0]);
  world.release("caller");
  world.until(() => world.connected("caller"), "the client is back");
  world.wait(1_000);
  expect(() => world.says(stream, "down", SOON_MS)).toThrow(/says nothing/);
  expect(stream.agent.endings).toBe(1);
});

test("a session that is over at the agent alone is over at the client, too, as soon as that says something", () => {
  const { world, stream } = anOpenStream(true);
  world.expected = true;
  // It comes back after the grace period, when its half of the session is over; the client has noticed nothing.
  world.hold("agent", 0, 1, 2);
  for (const wire of world.wires.agent) {
    wire.dark.add("up");
    wire.reset(["end"], world.now);
  }
  world.wait(70_000);
  expect([stream.near.endings, stream.agent.endings]).toEqual([0, 1]);
  world.release("agent");
  world.until(() => world.connected("agent"), "the agent is back");
  expect(() => world.says(stream, "up", SOON_MS)).toThrow(/says nothing/);
  expect(stream.near.endings).toBe(1);
});

test("a stream that begins the session with its agent, in the dark, is opened once the path is light", () => {
  for (const who of ["agent", "caller"] as const) {
    const world = new World(1);
    world.forget(who);
    const stream = world.open();
    world.until(() => stream.far !== undefined, "it is dialled");
    world.says(stream, "down", SOON_MS);
    world.says(stream, "up", SOON_MS);
    world.settle();
  }
});

test("an agent whose power is gone is dismissed, and its streams end with the grace period, though nothing is said on them", () => {
  const { world, stream } = anOpenStream(false);
  world.expected = true;
  world.stop("agent", 10_000_000);
  world.wait(150_000);
  expect([stream.near.endings, stream.near.failure]).toEqual([1, "lost"]);
  expect(world.isWhole).toBe(false);
});

test("a client whose power is gone is dismissed, and the agent's half ends with the grace period", () => {
  const { world, stream } = anOpenStream(false);
  world.expected = true;
  world.stop("caller", 10_000_000);
  world.wait(150_000);
  expect([stream.agent.endings, stream.agent.failure]).toEqual([1, "lost"]);
});

/** A stream over which both ends have spoken, and are quiet now. */
function anOpenStream(former: boolean): { world: World; stream: Both } {
  const world = new World(1, former);
  const stream = world.open();
  world.until(() => stream.far !== undefined, "it is dialled");
  world.says(stream, "up", SOON_MS);
  world.says(stream, "down", SOON_MS);
  world.wait(2_000);
  return { world, stream };
}
