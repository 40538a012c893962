import { setTimeout as pause } from "node:timers/promises";
import { befall, lanesOf } from "./befall.ts";
import { GRACE_S, promisedOf, tell, type Business, type History, type Promised } from "./history.ts";
import { connected, isOver, Judgement, PATIENCE_MS } from "./judge.ts";
import { Load, type Carried, type Look } from "./load.ts";
import { ENDS } from "./network.ts";
import type { World } from "./world.ts";

/** What became of a history. All is right if `wrong` is empty. */
export type Account = Promised & {
  readonly name: string;
  readonly told: string;
  readonly wrong: readonly string[];
  /** Milliseconds after the last fault when the last stream and the last flow went on; null: none did. */
  readonly streamsAfterMs: number | null;
  readonly flowsAfterMs: number | null;
  /** Streams that ended at both ends instead. */
  readonly ended: number;
  readonly datagrams: Heard;
};

/** Datagrams of all flows, both directions together; `dropped` by the count of the programs that dropped them. */
type Heard = { sent: number; heard: number; late: number; oldestMs: number; dropped: number };

/** Lives through a history in a fresh world, whose streams wait for `graceS` seconds, under load by every door, and judges it. */
export async function live(world: World, history: History, graceS = GRACE_S): Promise<Account> {
  const load = new Load(world);
  const promised = promisedOf(history, graceS);
  const judgement = new Judgement();

  const lanes = await lanesOf(world);
  const streams = await begin(load, history.business);
  const closing = await load.open("idle");
  const flows = history.business === "idle" ? [] : await load.call();
  const silent = await load.until([...streams, ...closing, ...flows], PATIENCE_MS, (look, each) =>
    look.isCarrying(each),
  );
  judgement.sayAll(silent, await load.look(), "carried nothing before the first fault");

  const [late] = await Promise.all([inTheMiddle(load, closing, promised), befall(world, history.events, lanes)]);

  const healed = await load.look();
  await load.say([...streams, ...late]);
  const after = { streams: null as number | null, flows: null as number | null };
  const isSettled = (look: Look, each: Carried): boolean => isOver(look, each) || look.goesOnSince(healed, each);
  const hung = await load.until([...streams, ...late, ...flows], PATIENCE_MS, isSettled, ({ what }, afterMs) => {
    after[what === "flow" ? "flows" : "streams"] = Math.round(afterMs);
  });
  judgement.sayAll(hung, await load.look(), "hung");

  await load.finish([...streams, ...late, ...flows]);
  const all = [...streams, ...closing, ...late].filter((each) => !hung.includes(each));
  const open = await load.until(all, PATIENCE_MS, isOver);
  const over = await load.look();
  judgement.sayAll(open, over, "did not end");
  // What came in the dark may have been refused.
  const mayEnd = (each: Carried): boolean =>
    promised.fate === "either" || late.includes(each) || (promised.restarts && each.door === "edge");
  const ended = judgement.ends(all, over, mayEnd);
  const datagrams = { ...judgeFlows(over, flows, promised, judgement), dropped: 0 };

  await Promise.all(ENDS.map((end) => connected(world, end)));
  datagrams.dropped = await world.droppedDatagrams();
  await judgement.anew(load);
  return {
    name: history.name,
    told: tell(history),
    ...promised,
    wrong: judgement.wrong,
    streamsAfterMs: after.streams,
    flowsAfterMs: after.flows,
    ended,
    datagrams,
  };
}

async function begin(load: Load, business: Business): Promise<Carried[]> {
  switch (business) {
    case "busy":
      return [...(await load.open("echo")), ...(await load.open("bulk"))];
    case "echo":
      return load.open("echo");
    case "idle":
      return load.open("idle");
  }
}

/** In the middle of it, some end and others come. Answers those that came. */
async function inTheMiddle(load: Load, closing: readonly Carried[], { seconds }: Promised): Promise<Carried[]> {
  await pause(seconds * 500);
  await load.finish(closing);
  return load.open("idle");
}

/** Nothing was forged, doubled or late, and in a history that all live through, a flow is the same one to its target. */
function judgeFlows(
  look: Look,
  flows: readonly Carried[],
  { fate }: Promised,
  judgement: Judgement,
): Omit<Heard, "dropped"> {
  const sum = { sent: 0, heard: 0, late: 0, oldestMs: 0 };
  for (const each of flows) {
    const { visitor, target } = look.flow(each.id);
    for (const [side, end] of Object.entries({ visitor, target })) {
      if (end === undefined) continue;
      sum.sent += end.sent;
      sum.heard += end.received;
      sum.late += end.late;
      sum.oldestMs = Math.max(sum.oldestMs, end.oldestMs);
      if (end.wrong > 0) judgement.say(each, `the ${side} heard ${end.wrong} datagrams that were never sent`);
      if (end.doubled > 0) judgement.say(each, `the ${side} heard ${end.doubled} datagrams twice`);
      if (end.late > 0)
        judgement.say(each, `the ${side} heard ${end.late} datagrams late, the oldest after ${end.oldestMs} ms`);
    }
    const ports = target?.peers ?? 0;
    if (fate === "lives" && ports > 1)
      judgement.say(each, `became another flow: its target heard it from ${ports} ports`);
  }
  return sum;
}
