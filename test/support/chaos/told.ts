import { connected, isOver, Judgement } from "./judge.ts";
import { Load, type Look, type Carried } from "./load.ts";
import type { End, Way } from "./network.ts";
import type { World } from "./world.ts";

/** Milliseconds for what takes 25 s of silence, the grace period, and as long again. */
const PATIENCE_MS = 150_000;

/**
 * Darkens the path of an end until the streams that went over it have ended, and no longer; answers what was wrong about it. Both
 * ends of each are told while it is dark, none before the grace period is over; streams by other ways go on; and when there is light
 * again, all doors are open at once.
 */
export async function darkUntilTold(world: World, end: End, way: Way, graceS: number): Promise<readonly string[]> {
  const load = new Load(world);
  const judgement = new Judgement();
  const streams = [...(await load.open("echo")), ...(await load.open("idle"))];
  const silent = await load.until(streams, PATIENCE_MS, (look, each) => look.isCarrying(each));
  judgement.sayAll(silent, await load.look(), "carried nothing before the path went dark");

  const [over, others] = parted(streams, ({ door }) => end === "agent" || door === end);
  const brighten = await world.network.darken(end, way);
  const hung = await load.until(over, PATIENCE_MS, isOver, (each, afterMs) => {
    if (afterMs < graceS * 1000) judgement.say(each, `ended after ${Math.round(afterMs)} ms`);
  });
  const dark = await load.look();
  judgement.sayAll(hung, dark, "an end was not told in the dark");
  const lost = over.filter((each) => !hung.includes(each));
  const whole = lost.filter((each) => dark.standing(each).state === "whole");
  judgement.sayAll(whole, dark, "ended in order, though neither side had finished");
  judgement.ends(lost, dark, () => true);
  await load.say(others);
  const goesOn = (look: Look, each: Carried): boolean => look.goesOnSince(dark, each);
  judgement.sayAll(await load.until(others, PATIENCE_MS, goesOn), await load.look(), "did not go on beside it");

  await brighten();
  await connected(world, end);
  await judgement.logs(world, lost);
  await judgement.anew(load);
  return judgement.wrong;
}

function parted<T>(all: readonly T[], isFirst: (each: T) => boolean): [T[], T[]] {
  return [all.filter((each) => isFirst(each)), all.filter((each) => !isFirst(each))];
}
