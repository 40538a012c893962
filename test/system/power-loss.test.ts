import { setTimeout as pause } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { StatusView } from "../../shared/rule/api.ts";
import { Judgement } from "../support/chaos/judge.ts";
import { Load, type Carried, type Look } from "../support/chaos/load.ts";
import { world, type World } from "../support/chaos/world.ts";

// Machines that are gone without a word: their cable is pulled, then their program is killed.

/** Seconds that streams wait: long enough to be told apart from the silence that comes before. */
const GRACE_S = 20;
const LONG_MS = 240_000;
const LOOK_MS = 500;
/** After so many milliseconds without a message, workerd has put a relay to sleep. */
const ASLEEP_MS = 15_000;

describe.concurrent("a machine loses its power", () => {
  test("that of an agent: the site is offline, then its streams end, and the webhook hears of it", async (context) => {
    await using all = await world(context, { grace: `${GRACE_S}s`, webhook: true });
    const load = new Load(all);
    const streams = [...(await load.open("echo")), ...(await load.open("idle"))];
    expect(await load.until(streams, LONG_MS, (look, each) => look.isCarrying(each))).toEqual([]);

    const plug = await all.powerOff("agent");
    const began = performance.now();
    const endings: number[] = [];
    const isTold = (look: Look, { id }: Carried): boolean => look.stream(id).visitor.ending !== null;
    const [open, offlineMs, hookMs] = await Promise.all([
      load.until(streams, LONG_MS, isTold, () => endings.push(performance.now() - began)),
      when(async () => (await all.json<StatusView>("status")).sites[0]?.state === "offline", began),
      when(() => isHooked(all, "site-offline"), began),
    ]);
    expect(open).toEqual([]);
    const look = await load.look();
    for (const each of streams)
      expect({ ...each, ending: look.stream(each.id).visitor.ending }).toEqual({
        ...each,
        // workerd can't reset a connection (docs/security.md).
        ending: each.door === "edge" ? expect.stringMatching(/^(cut|reset)$/) : "reset",
      });
    expect(Math.min(...endings)).toBeGreaterThan(GRACE_S * 1000);
    expect(offlineMs).toBeLessThan(Math.min(...endings));
    expect(hookMs).toBeGreaterThan(offlineMs);

    await plug();
    await all.agent();
    await when(() => isHooked(all, "site-online"), performance.now());
    const judgement = new Judgement();
    await judgement.anew(load);
    expect(judgement.wrong).toEqual([]);
  });

  test("that of an agent, at a site that is neither visited nor asked about: the webhook hears of it", async (context) => {
    await using all = await world(context, { webhook: true });
    await all.powerOff("agent");
    await when(() => isHooked(all, "site-offline"), performance.now());
  });

  test.for([
    ["agent", "visitor"],
    ["client", "target"],
  ] as const)(
    "that of the %s, while nothing moves and the relay sleeps: the %s of an idle stream is told",
    async ([end, side], context) => {
      await using all = await world(context, { grace: `${GRACE_S}s` });
      const load = new Load(all);
      const streams = await load.open("idle", ["client"]);
      expect(await load.until(streams, LONG_MS, (look, each) => look.isCarrying(each))).toEqual([]);
      await pause(ASLEEP_MS);
      await all.powerOff(end);
      const ending = (look: Look, { id }: Carried) => look.stream(id)[side]?.ending ?? null;
      expect(await load.until(streams, LONG_MS, (look, each) => ending(look, each) !== null)).toEqual([]);
      const look = await load.look();
      expect(streams.map((each) => ending(look, each))).toEqual(["reset"]);
    },
  );
});

/** Waits until it is so; answers how many milliseconds after `began`. */
async function when(isSo: () => Promise<boolean>, began: number): Promise<number> {
  while (!(await isSo())) {
    if (performance.now() - began > LONG_MS) throw new Error(`not so after ${LONG_MS} ms: ${String(isSo)}`);
    await pause(LOOK_MS);
  }
  return performance.now() - began;
}

async function isHooked({ visitors }: World, event: string): Promise<boolean> {
  const heard = await visitors.heard();
  return heard.some(({ body }) => (JSON.parse(body) as { event: string }).event === event);
}
