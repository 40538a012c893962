import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { bothWays, expected } from "../support/both-ways.ts";
import { record } from "../support/record.ts";
import { rig, type Rig } from "../support/rig.ts";

// A GiB each way while everything that may break does. Figures go to bench/results/.

const GIB = 2 ** 30;
const CUTS = 200;
const KILLS = 10;
const DARK_MS = 20_000;
/** Longer than a path that bytes wait on may be silent. */
const STOPPED_MS = 15_000;

test("a GiB up through two hundred cuts, the agent stopped and continued four times, arrives byte for byte", async () => {
  await using all = await rig();
  let cuts = 0;
  let stops = 0;
  const stop = async (): Promise<void> => {
    stops += 1;
    all.agent.kill("SIGSTOP");
    await pause(STOPPED_MS);
    all.agent.kill("SIGCONT");
  };
  await using peers = await bothWays(GIB, 0, (bytes) => {
    if (cuts === CUTS || bytes < (cuts + 1) * 5 * 2 ** 20) return;
    cuts += 1;
    if (cuts % 50 === 0) void stop();
    else if (cuts % 4 === 0) all.inner.cut();
    else all.inner.cutOne(cuts);
  });
  await all.edge.ok("map", "add", "8080/tcp", "lab", peers.target);
  const began = Date.now();
  expect(await peers.visit(all.edge.host, 8080)).toEqual(await expected(GIB, 0));
  expect({ cuts, stops }).toEqual({ cuts: CUTS, stops: 4 });
  await record("cuts-up", { cuts: cuts - stops, stops, stoppedSeconds: STOPPED_MS / 1000, ...seconds(began) });
});

test("a GiB each way through a client while workerd is killed ten times arrives byte for byte", async () => {
  await using all = await rig();
  let kills = 0;
  let killing = false;
  const kill = async (): Promise<void> => {
    killing = true;
    kills += 1;
    await all.killEdge();
    killing = false;
  };
  await using peers = await bothWays(GIB, GIB, (bytes) => {
    if (!killing && kills < KILLS && bytes >= ((kills + 1) * 2 * GIB) / (KILLS + 1)) void kill();
  });
  const { host, port } = await all.client("bulk", peers.target);
  const began = Date.now();
  expect(await peers.visit(host, port)).toEqual(await expected(GIB, GIB));
  expect(kills).toBe(KILLS);
  await record("kills", { kills, gibEachWay: 1, ...seconds(began) });
});

test.each([
  ["the agent's", "port", (all: Rig) => [all.inner]],
  ["the client's", "client", (all: Rig) => [all.outer]],
  ["both", "client", (all: Rig) => [all.inner, all.outer]],
] as const)(
  "a GiB each way while %s path goes dark for twenty seconds, through a %s, arrives byte for byte",
  async (which, way, pathsOf) => {
    await using all = await rig();
    let dark = false;
    const darken = async (): Promise<void> => {
      dark = true;
      for (const path of pathsOf(all)) path.blackhole();
      await pause(DARK_MS);
      for (const path of pathsOf(all)) path.heal();
    };
    await using peers = await bothWays(GIB, GIB, (bytes) => {
      if (!dark && bytes > GIB) void darken();
    });
    if (way === "port") await all.edge.ok("map", "add", "8080/tcp", "lab", peers.target);
    const { host, port } =
      way === "port" ? { host: all.edge.host, port: 8080 } : await all.client("bulk", peers.target);
    const began = Date.now();
    expect(await peers.visit(host, port)).toEqual(await expected(GIB, GIB));
    expect(dark).toBe(true);
    await record(`dark-${which.replaceAll(/\W/g, "")}`, {
      darkSeconds: DARK_MS / 1000,
      gibEachWay: 1,
      ...seconds(began),
    });
  },
);

function seconds(began: number): { seconds: number } {
  return { seconds: Math.round((Date.now() - began) / 100) / 10 };
}
