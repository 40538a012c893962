/** Histories of faults: what befalls which end when. Pure: the same seed is the same history. */
import { LANES } from "../../../link/lanes.ts";
import { dice } from "../../spec/dice.ts";
import type { End, Way } from "./network.ts";

export type Fault =
  /** The path between an end and the edge drops everything; or only what belongs to lanes that were there at the beginning of the history. */
  | {
      readonly kind: "dark";
      readonly end: End;
      readonly way: Way;
      readonly lanes: "path" | readonly number[];
      readonly seconds: number;
    }
  /** Lanes end with an error on one side; the other hears of it if the path lets it through. */
  | { readonly kind: "reset"; readonly end: End; readonly lanes: readonly number[]; readonly side: "end" | "edge" }
  /** The end has another address: whatever went to and from the former one is lost, and neither side is told. */
  | { readonly kind: "moved"; readonly end: End }
  | { readonly kind: "unplugged"; readonly end: "agent"; readonly seconds: number }
  /** SIGSTOP. The launcher takes a workerd that is stopped for one that hangs, and starts another. */
  | { readonly kind: "stopped"; readonly program: End | "workerd"; readonly seconds: number }
  /** workerd is killed, and the launcher starts another: visitors at its own ports are cut. */
  | { readonly kind: "restarted" };

/** `at`: seconds from the beginning of the history. */
export type Event = { readonly at: number; readonly fault: Fault };

/** What is carried meanwhile: `busy` bulk, echoes and flows; `echo` the same without bulk; `idle` streams that say nothing before all is over. */
export type Business = "busy" | "echo" | "idle";

export type History = { readonly name: string; readonly business: Business; readonly events: readonly Event[] };

const SHORTEST_S = 8;
const LONGEST_S = 90;
/** Seconds that streams wait by default; and those that an end may need to dial again within them (shared/backoff.ts: 8 s between tries, 10 s a try). */
export const GRACE_S = 60;
const REDIAL_S = 18;

/** One history of darkness of 8 to 90 s. */
export function historyOf(seed: number): History {
  const chance = new Chance(seed);
  const business = chance.one<Business>(["busy", "busy", "echo", "echo", "idle"]);
  const end = chance.one<End>(["agent", "agent", "client", "gateway"]);
  const seconds = chance.between(SHORTEST_S, LONGEST_S);
  const events: Event[] = [{ at: 0, fault: mainFault(chance, end, seconds) }];
  // Lanes that die for themselves: before it, in it, as it ends.
  if (chance.happens(0.4)) events.push({ at: chance.between(0, seconds), fault: laneFault(chance, end) });
  // Another end's path at the same time, or overlapping.
  if (chance.happens(0.3)) {
    const other = chance.one<End>((["agent", "client", "gateway"] as const).filter((each) => each !== end));
    const fault = darkness(chance, other, chance.between(SHORTEST_S, seconds));
    events.push({ at: chance.between(0, seconds), fault });
  }
  if (chance.happens(0.1)) events.push({ at: chance.between(0, seconds), fault: { kind: "restarted" } });
  return { name: `seed ${seed}`, business, events: events.sort((a, b) => a.at - b.at) };
}

function mainFault(chance: Chance, end: End, seconds: number): Fault {
  const roll = chance.next();
  if (roll < 0.08) return { kind: "stopped", program: end, seconds };
  if (roll < 0.1) return { kind: "stopped", program: "workerd", seconds };
  if (roll < 0.14 && end === "agent") return { kind: "unplugged", end, seconds };
  if (roll < 0.2) return { kind: "moved", end };
  if (roll < 0.35)
    return { kind: "dark", end, way: chance.one<Way>(["from", "to", "both"]), lanes: someLanes(chance), seconds };
  return darkness(chance, end, seconds);
}

function darkness(chance: Chance, end: End, seconds: number): Fault {
  return { kind: "dark", end, way: chance.one<Way>(["from", "to", "both"]), lanes: "path", seconds };
}

function laneFault(chance: Chance, end: End): Fault {
  const side = chance.one<"end" | "edge">(["end", "edge"]);
  return { kind: "reset", end, lanes: someLanes(chance), side };
}

function someLanes(chance: Chance): number[] {
  const mask = chance.between(1, 2 ** LANES - 1);
  return Array.from({ length: LANES }, (_, lane) => lane).filter((lane) => (mask >> lane) & 1);
}

/** Seconds of a history; whether streams must outlive it, or may end; and whether workerd is another one after it. */
export type Promised = { readonly seconds: number; readonly fate: "lives" | "either"; readonly restarts: boolean };

/**
 * What is promised of a history, for streams that wait so long: all live if nothing was dark for longer than that, less what
 * dialling again may take if an end was told at once that its lanes are gone. Overlapping darkness of several ends counts as one.
 */
export function promisedOf({ events }: History, graceS: number): Promised {
  let over = 0;
  let longest = 0;
  let began = 0;
  for (const { at, fault } of events) {
    const seconds = darkSeconds(fault);
    if (at > over) began = at;
    over = Math.max(over, at + seconds);
    longest = Math.max(longest, over - began);
  }
  const restarts = events.some(({ fault }) => fault.kind === "restarted" || isOfWorkerd(fault));
  const isToldAtOnce = restarts || events.some(({ fault }) => fault.kind === "reset");
  const fate = longest <= (isToldAtOnce ? graceS - REDIAL_S : graceS) ? "lives" : "either";
  return { seconds: longest, fate, restarts };
}

/** Seconds for which the end can't dial anew. */
function darkSeconds(fault: Fault): number {
  switch (fault.kind) {
    case "dark":
      return fault.lanes === "path" ? fault.seconds : 0;
    case "unplugged":
    case "stopped":
      return fault.seconds;
    case "reset":
    case "moved":
    case "restarted":
      return 0;
  }
}

function isOfWorkerd(fault: Fault): boolean {
  return fault.kind === "stopped" && fault.program === "workerd";
}

/** A history in words. */
export function tell({ business, events }: History): string {
  return `${business}: ${events.map(({ at, fault }) => `at ${at} s ${faultInWords(fault)}`).join("; ")}`;
}

function faultInWords(fault: Fault): string {
  switch (fault.kind) {
    case "dark": {
      const lanes = fault.lanes === "path" ? "path" : `lanes ${fault.lanes.join("+")}`;
      return `${fault.end}'s ${lanes} dark ${fault.way === "both" ? "both ways" : `${fault.way} it`} for ${fault.seconds} s`;
    }
    case "reset":
      return `${fault.end}'s lanes ${fault.lanes.join("+")} reset by the ${fault.side}`;
    case "moved":
      return `${fault.end} has another address`;
    case "unplugged":
      return `${fault.end} unplugged for ${fault.seconds} s`;
    case "stopped":
      return `${fault.program} stopped for ${fault.seconds} s`;
    case "restarted":
      return "workerd killed";
  }
}

/** Numbers that a seed decides. */
class Chance {
  /** In [0, 1). */
  readonly next: () => number;

  constructor(seed: number) {
    this.next = dice(seed);
  }

  /** A whole number, both included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  /** True so often: `of` in [0, 1]. */
  happens(of: number): boolean {
    return this.next() < of;
  }

  one<T>(of: readonly T[]): T {
    return of[Math.floor(this.next() * of.length)] as T;
  }
}
