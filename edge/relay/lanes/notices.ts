import { encodeFrame, TYPE } from "../../../shared/wire/frame.ts";
import { laneOf, type End, type Lanes } from "./lanes.ts";

/** Notifies all agents that a caller has no lane left, so that they suspend its sessions and end them after the grace time. */
export function sendAway(lanes: Lanes, caller: End): void {
  const frame = encodeFrame({ type: TYPE.AWAY, channel: caller.number });
  for (const agent of lanes.agents) laneOf(agent, 0)?.send(frame);
}

/**
 * Nudges the callers of all sessions that may have used a lost lane of an end that has others. What was sent into the lane is
 * lost, so these callers settle what has arrived.
 */
export function sendNudge(lanes: Lanes, end: End): void {
  const agents = end.kind === "agent" ? [end] : lanes.agents;
  const callers = end.kind === "agent" ? lanes.callers : [end];
  for (const { number: slot } of agents)
    for (const caller of callers)
      laneOf(caller, 0)?.send(encodeFrame({ type: TYPE.NUDGE, channel: caller.number, slot }));
}
