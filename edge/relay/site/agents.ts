import type { Failure } from "../../../shared/errors.ts";
import { known } from "../../../shared/result.ts";
import { type Reaches, reaches } from "../../../shared/target-policy.ts";
import { parseTarget } from "../../../shared/target.ts";
import type { Lane } from "../lanes/lane.ts";
import { isServing, type End, type Lanes } from "../lanes/lanes.ts";
import type { Reach } from "./reach.ts";

/** What a stream wants of its agent. `single`: one agent has to take all streams of the mapping, as it counts or paces them. */
export type Wanted = { readonly site: string; readonly target: string; readonly single: boolean };

/** `others`: the agents to try when `agent` turns out to dial no such target; none where it is known that it does. */
export type Choice =
  | { readonly ok: true; readonly agent: End; readonly others: readonly End[] }
  | { readonly ok: false; readonly failure: Failure };

export type AgentsHost = {
  readonly lanes: Lanes;
  readonly reach: Reach;
  /** Live streams of the relay's own visitors at an agent. */
  readonly streams: (slot: number) => number;
  /** When a lane was last heard, in milliseconds since 1970. */
  readonly heard: (lane: Lane) => number;
};

/** Chooses the agent for a stream: one that serves and may dial the target. */
export class Agents {
  readonly #host: AgentsHost;
  readonly #draining = new Set<number>();

  constructor(host: AgentsHost) {
    this.#host = host;
  }

  /** Gives an agent no new streams: it has said GOAWAY, or another process takes its place. */
  drain(slot: number): void {
    this.#draining.add(slot);
  }

  isDraining(slot: number): boolean {
    return this.#draining.has(slot);
  }

  /** The agents that take new streams: not draining, and heard lately. A silently dead one is found without ever waking for pings. */
  get serving(): End[] {
    return this.#host.lanes.agents.filter((end) => this.isServing(end));
  }

  isServing(end: End): boolean {
    return !this.#draining.has(end.number) && isServing(end, this.#host.heard, Date.now());
  }

  /** The agent for a stream of a visitor at the edge's own doors: among those that are known to reach the target, the one with the fewest streams. */
  choose(wanted: Wanted): Choice {
    const { serving } = this;
    const { site, target, single } = wanted;
    if (serving.length === 0) return refuse("no-agent", `no agent of ${site} is online`);
    const judged = serving.map((end) => ({ end, reaches: this.reaches(end, target) }));
    const certain = judged.flatMap(({ end, reaches: said }) => (said === "yes" ? [end] : []));
    const uncertain = judged.flatMap(({ end, reaches: said }) => (said === "unknown" ? [end] : []));
    const ends = [...this.#ordered(certain, single), ...this.#ordered(uncertain, single)];
    const [agent, ...others] = ends;
    if (agent === undefined) return refuse("target-denied", `no agent of ${site} that is online may dial ${target}`);
    return { ok: true, agent, others: certain.length > 0 ? [] : others };
  }

  /** Whether a caller may open a stream at the agent that it names. */
  named(slot: number, wanted: Wanted): Choice {
    const { site, target, single } = wanted;
    const agent = this.#host.lanes.agent(slot);
    if (agent === undefined || !this.isServing(agent))
      return refuse("slot-gone", `that agent of ${site} is not online`);
    if (this.reaches(agent, target) === "no")
      return refuse("slot-gone", `that agent of ${site} may not dial ${target}`);
    if (single && this.slotsFor(wanted)[0] !== slot)
      return refuse("slot-gone", "another agent counts the streams of this endpoint");
    return { ok: true, agent, others: [] };
  }

  /** The slots of the agents that take new streams to a target: what ROUTES says. */
  slotsFor({ target, single }: Wanted, serving: readonly End[] = this.serving): number[] {
    const judged = serving.map((end) => ({ end, reaches: this.reaches(end, target) }));
    const certain = judged.filter(({ reaches: said }) => said === "yes");
    const able = certain.length > 0 ? certain : judged.filter(({ reaches: said }) => said === "unknown");
    const slots = this.#ordered(
      able.map(({ end }) => end),
      single,
    ).map(({ number }) => number);
    return single ? slots.slice(0, 1) : slots;
  }

  /** Whether an agent may dial a target, by the token that the Worker has verified and by what the agent says of its own rules. */
  reaches(end: End, target: string): Reaches {
    const { targets, said } = this.#host.reach.of(end);
    return reaches({ targets }, said, known(parseTarget(target)));
  }

  /** The agent that has been here longest takes what one has to count; else streams are spread. */
  #ordered(ends: readonly End[], single: boolean): End[] {
    const { streams } = this.#host;
    const loads = new Map(ends.map((end) => [end, single ? end.number : streams(end.number)]));
    return ends.toSorted((one, other) => (loads.get(one) ?? 0) - (loads.get(other) ?? 0));
  }
}

function refuse(code: Failure["code"], reason: string): Choice {
  return { ok: false, failure: { code, reason } };
}
