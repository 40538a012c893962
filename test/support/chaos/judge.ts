import { setTimeout as pause } from "node:timers/promises";
import type { ConnectionView } from "../../../shared/rule/api.ts";
import type { Carried, Load, Look } from "./load.ts";
import type { End } from "./network.ts";
import type { Door, World } from "./world.ts";

/** Milliseconds after which what neither goes on nor has ended is taken to hang for ever. */
export const PATIENCE_MS = 60_000;

const LOOK_MS = 100;

/** What was promised and did not hold, one thing a line. */
export class Judgement {
  readonly wrong: string[] = [];

  say({ id, door, what }: Carried, why: string): void {
    this.wrong.push(`${what} ${id} by ${door}: ${why}`);
  }

  /** Says of each what both of its ends saw. */
  sayAll(carried: readonly Carried[], look: Look, what: string): void {
    for (const each of carried) this.say(each, `${what}: ${inFull(look, each)}`);
  }

  /** Streams that are over: each is whole, or has ended at both ends if it may. Answers how many have ended. */
  ends(streams: readonly Carried[], look: Look, may: (each: Carried) => boolean): number {
    let ended = 0;
    for (const each of streams) {
      const standing = look.standing(each);
      if (standing.state === "wrong") this.say(each, standing.why);
      if (standing.state !== "ended") continue;
      ended += 1;
      if (!may(each)) this.say(each, `ended, though its path came back in time: ${inFull(look, each)}`);
    }
    return ended;
  }

  /** After all of it, each door lets in who comes, at once. */
  async anew(load: Load): Promise<void> {
    const fresh = [...(await load.open("idle")), ...(await load.call())];
    const isDone = (look: Look, each: Carried): boolean => look.isCarrying(each) || isOver(look, each);
    const hung = await load.until(fresh, PATIENCE_MS, isDone);
    this.sayAll(hung, await load.look(), "came afterwards, and hung");
    await load.finish(fresh);
    const streams = fresh.filter((each) => each.what !== "flow" && !hung.includes(each));
    await load.until(streams, PATIENCE_MS, isOver);
    const look = await load.look();
    const refused = streams.filter((each) => look.standing(each).state !== "whole");
    this.sayAll(refused, look, "came afterwards, and was not served");
  }

  /** Streams that were lost are so in the logs of both of their ends, by the same names. */
  async logs(world: World, lost: readonly Carried[]): Promise<void> {
    const agent = earlyIn(world.run("agent").stderr);
    const records = await world.json<ConnectionView[]>("log");
    const callers: Record<Door, ReadonlyMap<string, string>> = {
      edge: new Map(records.filter(({ outcome }) => outcome === "lost").map(({ ref = "", code }) => [ref, code])),
      ports: earlyIn(world.run("serve").stderr),
      client: earlyIn(world.run("client").stderr),
      gateway: earlyIn(world.run("gateway").stderr),
    };
    for (const door of new Set(lost.map((each) => each.door))) {
      const wanted = lost.filter((each) => each.door === door).length;
      const named = [...callers[door]].filter(([name, code]) => code === "lost" && agent.get(name) === "lost");
      if (named.length !== wanted)
        this.wrong.push(`${wanted} streams by ${door} were lost; ${named.length} are so in the logs of both ends`);
    }
  }
}

export function isOver(look: Look, each: Carried): boolean {
  return each.what !== "flow" && look.standing(each).state !== "open";
}

/** Waits until an end says that it has a lane, if it does so in time. */
export async function connected(world: World, end: End): Promise<void> {
  const began = performance.now();
  while (!world.isConnected(end) && performance.now() - began < PATIENCE_MS) await pause(LOOK_MS);
}

/** What both ends saw of it. */
function inFull(look: Look, { id, what }: Carried): string {
  const ends = what === "flow" ? look.flow(id) : look.stream(id);
  return Object.entries(ends)
    .map(([side, end]) => {
      if (end === undefined) return `the ${side} never heard of it`;
      const ending = "ending" in end ? `, ${JSON.stringify(end.ending ?? "open")}` : "";
      return `the ${side} sent ${end.sent}, heard ${end.received}${ending}`;
    })
    .join("; ");
}

/** Names of the streams that ended early by a program's log, and the codes. */
function earlyIn(log: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const line of log.split("\n").filter((each) => each.includes("stream ended early"))) {
    const { stream = "", code = "" } = JSON.parse(line) as { stream?: string; code?: string };
    found.set(stream, code);
  }
  return found;
}
