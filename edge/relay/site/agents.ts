import type { Failure } from "../../../shared/wire/errors.ts";
import { formatTarget, type Target } from "../../../shared/address/target.ts";
import type { Reachability } from "../../../shared/rule/target-policy.ts";
import type { Lane } from "../lanes/lane.ts";
import { isServing, type End, type Lanes } from "../lanes/lanes.ts";
import type { ReachableTargets } from "./reachable-targets.ts";

/** What a stream needs of its agent. `single`: one agent must take all streams of the mapping, as it counts or paces them. */
export type AgentRequest = { readonly site: string; readonly target: Target; readonly single: boolean };

/** `others`: the agents to try when `agent` refuses to dial the target; empty where `agent` is known to dial it. */
export type AgentChoice =
  | { readonly ok: true; readonly agent: End; readonly others: readonly End[] }
  | { readonly ok: false; readonly failure: Failure };

export type AgentsHost = {
  readonly lanes: Lanes;
  readonly reachable: ReachableTargets;
  /** Returns the number of open streams of the relay's own visitors at an agent. */
  readonly streams: (slot: number) => number;
  /** Returns when a lane was last heard, in milliseconds since 1970. */
  readonly lastHeard: (lane: Lane) => number;
};

/** Chooses agents for streams: agents that take new streams and may dial the target. */
export class Agents {
  readonly #host: AgentsHost;
  readonly #draining = new Set<number>();

  constructor(host: AgentsHost) {
    this.#host = host;
  }

  /** Gives an agent no new streams from now on: it has sent GOAWAY, or another process replaces it. */
  drain(slot: number): void {
    this.#draining.add(slot);
  }

  /** The agents that take new streams: not draining, and heard within DEAD_MS. So a dead agent is left out without waking for pings. */
  get serving(): End[] {
    return this.#host.lanes.agents.filter((end) => this.isServing(end));
  }

  isServing(end: End): boolean {
    return !this.#draining.has(end.number) && isServing(end, this.#host.lastHeard, Date.now());
  }

  /** Chooses the agent for a visitor at the edge's own doors: the one with the fewest streams among the agents that dial the target. */
  choose(request: AgentRequest): AgentChoice {
    const { serving } = this;
    const { site, target } = request;
    if (serving.length === 0) return refuse("no-agent", `no agent of ${site} is online`);
    const { certain, ordered } = this.#candidates(serving, request);
    const [agent, ...others] = ordered;
    if (agent !== undefined) return { ok: true, agent, others: certain ? [] : others };
    const [reason = ""] = serving.flatMap((end) => {
      const answer = this.#host.reachable.reaches(end, target);
      return answer.is === "no" ? [answer.why] : [];
    });
    return refuse("target-denied", `no agent of ${site} dials ${formatTarget(target)}: ${reason}`);
  }

  /** Returns why no agent that is online would dial a target; null when one would, or when none is online. */
  unreachableReason(target: Target): string | null {
    const choice = this.choose({ site: "this site", target, single: false });
    return !choice.ok && choice.failure.code === "target-denied" ? choice.failure.reason : null;
  }

  /** Checks the agent that a caller names for its stream. */
  checkNamed(slot: number, request: AgentRequest): AgentChoice {
    const { site, target, single } = request;
    const agent = this.#host.lanes.agent(slot);
    if (agent === undefined || !this.isServing(agent))
      return refuse("slot-gone", `that agent of ${site} is not online`);
    if (this.#host.reachable.reaches(agent, target).is === "no") {
      const other = this.choose(request);
      return other.ok ? refuse("slot-gone", `that agent of ${site} may not dial ${formatTarget(target)}`) : other;
    }
    if (single && this.slotsFor(request)[0] !== slot)
      return refuse("slot-gone", "another agent counts the streams of this endpoint");
    return { ok: true, agent, others: [] };
  }

  /**
   * Returns the slots for an endpoint in ROUTES: the agents that take new streams to its target. If none may dial it, returns all, so that
   * a caller's OPEN is refused with the reason.
   */
  slotsFor(request: AgentRequest, serving: readonly End[] = this.serving): number[] {
    const { ordered } = this.#candidates(serving, request);
    const slots = (ordered.length > 0 ? ordered : serving).map(({ number }) => number);
    return request.single ? slots.slice(0, 1) : slots;
  }

  /** Returns the agents for a target, the best first: the agents known to dial it, or if there are none, the agents that may. */
  #candidates(serving: readonly End[], { target, single }: AgentRequest): { certain: boolean; ordered: End[] } {
    const withAnswer = (is: Reachability["is"]): End[] =>
      serving.filter((end) => this.#host.reachable.reaches(end, target).is === is);
    const certain = withAnswer("yes");
    const ends = certain.length > 0 ? certain : withAnswer("unknown");
    // With `single`, the agent that has been connected longest takes all; otherwise streams are spread.
    const loads = new Map(ends.map((end) => [end, single ? end.number : this.#host.streams(end.number)]));
    const ordered = ends.toSorted((one, other) => (loads.get(one) ?? 0) - (loads.get(other) ?? 0));
    return { certain: certain.length > 0, ordered };
  }
}

function refuse(code: Failure["code"], reason: string): AgentChoice {
  return { ok: false, failure: { code, reason } };
}
