import { encodeFrame, TYPE } from "../../../shared/wire/frame.ts";
import { laneOf, type End, type Lanes } from "./lanes.ts";

/** A caller has no lane left: the agents let its session wait, or they would keep it for ever. */
export function sendAway(lanes: Lanes, caller: End): void {
  const frame = encodeFrame({ type: TYPE.AWAY, channel: caller.number });
  for (const agent of lanes.agents) laneOf(agent, 0)?.send(frame);
}

/**
 * A lane of an end is gone while others live. What was sent into it is lost, and its end may have noticed the loss long before:
 * the callers of all sessions that may have used it settle what arrived.
 */
export function sendNudge(lanes: Lanes, end: End): void {
  const agents = end.kind === "agent" ? [end] : lanes.agents;
  const callers = end.kind === "agent" ? lanes.callers : [end];
  for (const { number: slot } of agents)
    for (const caller of callers)
      laneOf(caller, 0)?.send(encodeFrame({ type: TYPE.NUDGE, channel: caller.number, slot }));
}
