import type { Failure } from "../../../shared/wire/errors.ts";
import { formatTarget, type Target } from "../../../shared/address/target.ts";
import type { Reaches } from "../../../shared/rule/target-policy.ts";
import type { Lane } from "../lanes/lane.ts";
import { isServing, type End, type Lanes } from "../lanes/lanes.ts";
import type { ReachableTargets } from "./reachable-targets.ts";

/** What a stream wants of its agent. `single`: one agent has to take all streams of the mapping, as it counts or paces them. */
export type AgentRequest = { readonly site: string; readonly target: Target; readonly single: boolean };

/** `others`: the agents to try when `agent` turns out to dial no such target; none where it is known that it does. */
export type AgentChoice =
  | { readonly ok: true; readonly agent: End; readonly others: readonly End[] }
  | { readonly ok: false; readonly failure: Failure };

export type AgentsHost = {
  readonly lanes: Lanes;
  readonly reachable: ReachableTargets;
  /** Live streams of the relay's own visitors at an agent. */
  readonly streams: (slot: number) => number;
  /** When a lane was last heard, in milliseconds since 1970. */
  readonly lastHeard: (lane: Lane) => number;
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

  /** The agents that take new streams: not draining, and heard lately. A silently dead one is found without ever waking for pings. */
  get serving(): End[] {
    return this.#host.lanes.agents.filter((end) => this.isServing(end));
  }

  isServing(end: End): boolean {
    return !this.#draining.has(end.number) && isServing(end, this.#host.lastHeard, Date.now());
  }

  /** The agent for a stream of a visitor at the edge's own doors: among those that are known to reach the target, the one with the fewest streams. */
  choose(wanted: AgentRequest): AgentChoice {
    const { serving } = this;
    const { site, target } = wanted;
    if (serving.length === 0) return refuse("no-agent", `no agent of ${site} is online`);
    const { certain, ordered } = this.#able(serving, wanted);
    const [agent, ...others] = ordered;
    if (agent !== undefined) return { ok: true, agent, others: certain ? [] : others };
    const [why = ""] = serving.flatMap((end) => {
      const said = this.#host.reachable.reaches(end, target);
      return said.is === "no" ? [said.why] : [];
    });
    return refuse("target-denied", `no agent of ${site} dials ${formatTarget(target)}: ${why}`);
  }

  /** Why no agent that is online dials a target; null when one may, or none is online. */
  unreachableReason(target: Target): string | null {
    const choice = this.choose({ site: "this site", target, single: false });
    return !choice.ok && choice.failure.code === "target-denied" ? choice.failure.reason : null;
  }

  /** Whether a caller may open a stream at the agent that it names. */
  named(slot: number, wanted: AgentRequest): AgentChoice {
    const { site, target, single } = wanted;
    const agent = this.#host.lanes.agent(slot);
    if (agent === undefined || !this.isServing(agent))
      return refuse("slot-gone", `that agent of ${site} is not online`);
    if (this.#host.reachable.reaches(agent, target).is === "no") {
      const other = this.choose(wanted);
      return other.ok ? refuse("slot-gone", `that agent of ${site} may not dial ${formatTarget(target)}`) : other;
    }
    if (single && this.slotsFor(wanted)[0] !== slot)
      return refuse("slot-gone", "another agent counts the streams of this endpoint");
    return { ok: true, agent, others: [] };
  }

  /** The slots of the agents that take new streams to a target: what ROUTES says. When none may dial it, all: callers hear why. */
  slotsFor(wanted: AgentRequest, serving: readonly End[] = this.serving): number[] {
    const { ordered } = this.#able(serving, wanted);
    const slots = (ordered.length > 0 ? ordered : serving).map(({ number }) => number);
    return wanted.single ? slots.slice(0, 1) : slots;
  }

  /** The agents for a target, the best first: those that are known to dial it, or else those of which it isn't known. */
  #able(serving: readonly End[], { target, single }: AgentRequest): { certain: boolean; ordered: End[] } {
    const those = (is: Reaches["is"]): End[] =>
      serving.filter((end) => this.#host.reachable.reaches(end, target).is === is);
    const certain = those("yes");
    const ends = certain.length > 0 ? certain : those("unknown");
    // The agent that has been here longest takes what one has to count; else streams are spread.
    const loads = new Map(ends.map((end) => [end, single ? end.number : this.#host.streams(end.number)]));
    const ordered = ends.toSorted((one, other) => (loads.get(one) ?? 0) - (loads.get(other) ?? 0));
    return { certain: certain.length > 0, ordered };
  }
}

function refuse(code: Failure["code"], reason: string): AgentChoice {
  return { ok: false, failure: { code, reason } };
}
