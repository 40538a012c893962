import type { Ending, FlowView, Manner, Sight, StreamView } from "./messages.ts";
import { DOORS, type Door, type World } from "./world.ts";

const LOOK_MS = 250;

/** A stream or flow of the load. */
export type Carried = { readonly id: number; readonly door: Door; readonly what: Manner | "flow" };

/** Both ends of a stream; `target` is undefined if it never got there. */
export type Ends = { readonly visitor: StreamView; readonly target: StreamView | undefined };

/** How a stream stands: `whole` after both FINs and all bytes; `ended` early, with what each side was told; else what is wrong. */
export type Standing =
  | { readonly state: "open" }
  | { readonly state: "whole" }
  | { readonly state: "ended"; readonly visitor: Ending; readonly target: Ending | null }
  | { readonly state: "wrong"; readonly why: string };

/** Streams and flows of one world, and what both of their ends saw. */
export class Load {
  readonly carried: Carried[] = [];
  readonly #world: World;
  #ids = 0;

  constructor(world: World) {
    this.#world = world;
  }

  /** Opens a stream by each of these doors. */
  async open(manner: Manner, doors: readonly Door[] = DOORS): Promise<Carried[]> {
    return Promise.all(doors.map((door) => this.#open(door, manner)));
  }

  /** Begins a flow by each door that has UDP. */
  async call(): Promise<Carried[]> {
    return Promise.all(DOORS.filter((door) => door !== "edge").map((door) => this.#call(door)));
  }

  async finish(carried: readonly Carried[]): Promise<void> {
    const ids = carried.map(({ id }) => id);
    const flows = carried.filter(({ what }) => what === "flow").map(({ id }) => id);
    await this.#world.visitors.tell({ do: "finish", ids });
    await this.#world.targets.tell({ do: "finish", ids: flows });
  }

  /** Idle streams say something. */
  async say(carried: readonly Carried[]): Promise<void> {
    await this.#world.visitors.tell({ do: "say", ids: carried.map(({ id }) => id) });
  }

  async look(): Promise<Look> {
    return new Look(...(await Promise.all([this.#world.visitors.look(), this.#world.targets.look()])));
  }

  /** Looks until `isSo`, or until so many milliseconds have passed. Answers those for which it is not so by then. */
  async until(
    carried: readonly Carried[],
    patienceMs: number,
    isSo: (look: Look, each: Carried) => boolean,
    met: (each: Carried, afterMs: number) => void = () => undefined,
  ): Promise<Carried[]> {
    const began = performance.now();
    let left = [...carried];
    for (;;) {
      const look = await this.look();
      const afterMs = performance.now() - began;
      const [so, not] = [left.filter((each) => isSo(look, each)), left.filter((each) => !isSo(look, each))];
      for (const each of so) met(each, afterMs);
      left = not;
      if (left.length === 0 || afterMs > patienceMs) return left;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  async #open(door: Door, manner: Manner): Promise<Carried> {
    const carried = this.#next(door, manner);
    await this.#world.visitors.tell({ do: "open", id: carried.id, at: this.#world.at(door), manner });
    return carried;
  }

  async #call(door: Door): Promise<Carried> {
    const carried = this.#next(door, "flow");
    await this.#world.visitors.tell({ do: "call", id: carried.id, at: this.#world.at(door) });
    return carried;
  }

  #next(door: Door, what: Carried["what"]): Carried {
    this.#ids += 1;
    const carried = { id: this.#ids, door, what };
    this.carried.push(carried);
    return carried;
  }
}

/** What visitors and targets see at one moment. */
export class Look {
  readonly #visitors: Sight;
  readonly #targets: Sight;

  constructor(visitors: Sight, targets: Sight) {
    this.#visitors = visitors;
    this.#targets = targets;
  }

  /** Milliseconds of the clock that all processes share, when the earlier of the two looked. */
  get at(): number {
    return Math.min(this.#visitors.at, this.#targets.at);
  }

  stream(id: number): Ends {
    const visitor = this.#visitors.streams.find((each) => each.id === id);
    if (visitor === undefined) throw new Error(`no stream ${id}`);
    return { visitor, target: this.#targets.streams.find((each) => each.id === id) };
  }

  flow(id: number): { visitor: FlowView; target: FlowView | undefined } {
    const visitor = this.#visitors.flows.find((each) => each.id === id);
    if (visitor === undefined) throw new Error(`no flow ${id}`);
    return { visitor, target: this.#targets.flows.find((each) => each.id === id) };
  }

  /** True when both ends have heard the other once. */
  isCarrying({ id, what }: Carried): boolean {
    const { visitor, target } = what === "flow" ? this.flow(id) : this.stream(id);
    return visitor.received > 0 && (target?.received ?? 0) > 0;
  }

  /** True when both ends have heard what the other said after `since` saw them: all of it that was open then, and more. */
  goesOnSince(since: Look, { id, what }: Carried): boolean {
    if (what === "flow") {
      const { visitor, target } = this.flow(id);
      return visitor.newest > since.at && (target?.newest ?? 0) > since.at;
    }
    const [before, now] = [since.stream(id), this.stream(id)];
    return now.visitor.received > (before.target?.sent ?? 0) && (now.target?.received ?? 0) > before.visitor.sent;
  }

  standing({ id, door }: Carried): Standing {
    return standingOf(this.stream(id), door);
  }
}

function standingOf({ visitor, target }: Ends, door: Door): Standing {
  for (const [side, end] of Object.entries({ visitor, target })) {
    if (end !== undefined && end.wrongAt !== null)
      return { state: "wrong", why: `the ${side} heard a byte at ${end.wrongAt} that was not sent there` };
  }
  if (visitor.ending === null) return { state: "open" };
  if (target !== undefined && target.ending === null) return { state: "open" };
  if (visitor.ending === "fin" && target?.ending === "fin") {
    const up = `${visitor.sent} bytes sent, ${target.received} heard by the target`;
    if (visitor.sentSum !== target.receivedSum) return { state: "wrong", why: `both ended in order, but ${up}` };
    const down = `${target.sent} bytes sent by the target, ${visitor.received} heard`;
    if (target.sentSum !== visitor.receivedSum) return { state: "wrong", why: `both ended in order, but ${down}` };
    return { state: "whole" };
  }
  // workerd can't reset a connection: visitors at ports of its own see an end in order instead (docs/security.md).
  const isTold = isReset(visitor.ending) || door === "edge";
  if (isTold && (target === undefined || isReset(target.ending)))
    return { state: "ended", visitor: visitor.ending, target: target?.ending ?? null };
  return { state: "wrong", why: `the visitor was told ${show(visitor.ending)}, the target ${show(target?.ending)}` };
}

function isReset(ending: Ending | null): boolean {
  return ending === "reset" || (ending !== null && typeof ending === "object");
}

function show(ending: Ending | null | undefined): string {
  if (ending === undefined || ending === null) return "nothing";
  return typeof ending === "object" ? ending.error : ending;
}
