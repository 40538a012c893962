import { expect, test } from "vitest";
import { World, type Who } from "./world.ts";
import type { Way } from "./traffic.ts";

// What an outage does to sessions whose relay forwards: the relay holds old sockets, lanes are replaced one by one, one end is
// suspended and the other not. SALLYPORT_SEED=1234 replays one history; SALLYPORT_SEEDS=100000 lives through more of them.

const only = process.env["SALLYPORT_SEED"];
const first = Number(only ?? 1);
const count = only === undefined ? Number(process.env["SALLYPORT_SEEDS"] ?? 150) : 1;

const WAYS: readonly (readonly Way[])[] = [["up"], ["down"], ["up", "down"]];

/** Kinds of faults; the first two are dark paths. */
const FAULTS = 6;

/** A random fault of one of the first `kinds`: none of them lasts for longer than streams wait. */
function fault(world: World, most: number, kinds: number): void {
  const who: Who = world.below(2) === 0 ? "agent" : "caller";
  const ways = WAYS[world.below(WAYS.length)] ?? [];
  const ms = 1_000 + world.below(most);
  const wires = world.wires[who];
  const recent = wires.slice(-4);
  switch (world.below(kinds)) {
    case 0:
    case 1:
      for (const way of ways) world.darken(who, way, ms);
      return;
    case 2:
    case 3:
      // Some connections die for good, in one direction or both; others live.
      for (const wire of recent) if (world.below(2) === 0) for (const way of ways) wire.dark.add(way);
      return;
    case 4:
      for (const wire of recent)
        if (world.below(2) === 0)
          wire.reset([["end"], ["relay"], ["end", "relay"]][world.below(3)] as ("end" | "relay")[], world.now);
      return;
    case 5:
      if (world.below(3) === 0) world.relay.restart();
      else world.stop(who, ms);
  }
}

function live(seed: number): void {
  // With an edge of the version before, the ends alone make good what a dark path has cost.
  const isFormer = seed % 3 === 0;
  const world = new World(seed, isFormer);
  // The first stream to an agent begins the session with it: that, too, may fall into the dark.
  const begins = isFormer || world.below(3) > 0;
  const streams = begins ? [world.open(), world.open(), world.open()] : [];
  // Some say nothing meanwhile, and are spoken to later: an outage must not need traffic to be mended.
  const busy = world.below(3);
  const use = (): void => streams.slice(0, busy).forEach((stream) => world.use(stream));
  if (begins) world.wait(3_000, () => streams.forEach((stream) => world.use(stream)));
  const faults = 1 + world.below(4);
  for (let nth = 0; nth < faults; nth += 1) {
    fault(world, faults === 1 ? 44_000 : 8_000, isFormer ? 2 : FAULTS);
    if (!isFormer && world.below(2) === 0 && world.isWhole) streams.push(world.open());
    world.wait(1_000 + world.below(12_000), use);
  }
  world.wait(50_000, use);
  world.settle();
}

/** An outage that is longer than streams wait: both ends are told that they are over, and what is opened then goes through. */
function outlast(seed: number): void {
  const world = new World(seed);
  const streams = [world.open(), world.open()];
  const busy = streams.slice(0, world.below(3));
  world.wait(3_000, () => streams.forEach((stream) => world.use(stream)));
  world.expected = true;
  const who: Who = world.below(2) === 0 ? "agent" : "caller";
  const ms = 100_000 + world.below(30_000);
  for (const way of WAYS[world.below(WAYS.length)] ?? []) world.darken(who, way, ms);
  world.wait(ms, () => busy.forEach((stream) => world.use(stream)));
  world.until(
    () => streams.every(({ near, agent }) => near.endings === 1 && agent.endings === 1),
    "both ends were told",
  );
  world.expected = false;
  world.until(() => world.isWhole, "both ends are there again");
  const later = world.open();
  world.wait(5_000, () => world.use(later));
  world.settle();
}

function judge(life: (seed: number) => void, seeds: number): void {
  for (let seed = first; seed < first + seeds; seed += 1) {
    try {
      life(seed);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      expect.fail(`${reason}\nreplay with: SALLYPORT_SEED=${seed} npx vitest run --project spec paths`);
    }
  }
}

test(
  "after an outage that is longer than the grace period both ends are told, and new streams go through",
  { timeout: 0 },
  () => {
    judge(outlast, Math.ceil(count / 4));
  },
);

test(
  `${count} histories from seed ${first} on: dark paths and lanes of either end, resets that one side hears of, stopped processes`,
  { timeout: 0 },
  () => {
    judge(live, count);
  },
);
