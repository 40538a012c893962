import { decodeControl, Hello, Report } from "../../shared/wire/control.ts";
import { LANE_CLOSE, SessionError } from "../../shared/wire/errors.ts";
import { decodeFrame, TYPE, typeName, type Frame } from "../../shared/wire/frame.ts";
import { MAX_CONTROL, MAX_FRAME } from "../../shared/wire/limits.ts";
import { logFault } from "../fault.ts";
import type { CallerDoor } from "./doors/caller-door.ts";
import { forward } from "./doors/forward.ts";
import type { Lane } from "./lanes/lane.ts";
import type { Presence } from "./presence.ts";
import { sendRoutesToAll } from "./site/routes.ts";
import type { Site } from "./site/site.ts";

/** The parts of a relay that the frames of lanes go to. */
export type Handlers = {
  readonly site: Site;
  readonly presence: Presence;
  readonly callerDoor: CallerDoor;
  /** Renews the token of a lane and sends the new one on it. */
  renew: (lane: Lane) => void;
};

/** Handles a message of a lane. A violation of the protocol, or a fault of the relay, closes that lane and nothing else. */
export function receive(handlers: Handlers, lane: Lane, message: ArrayBuffer | string): void {
  try {
    if (typeof message === "string") throw new SessionError("protocol", "a text message that is not ping");
    if (message.byteLength > MAX_FRAME + MAX_CONTROL)
      throw new SessionError("protocol", `a frame of ${message.byteLength} bytes`);
    const bytes = new Uint8Array(message);
    route(handlers, lane, bytes, decodeFrame(bytes));
  } catch (error) {
    if (error instanceof SessionError) {
      const code = error.code === "flow-control" ? LANE_CLOSE.overrun : LANE_CLOSE.protocol;
      return handlers.presence.dismiss(lane, code, error.message);
    }
    logFault("the relay", error);
    handlers.presence.dismiss(lane, LANE_CLOSE.internal, "internal error in the relay; see the log of the edge");
  }
}

/**
 * Hands a frame to the part that handles it. Synchronous up to the point of forwarding: with one await here, DATA overtakes
 * OPEN (measured).
 */
function route(handlers: Handlers, lane: Lane, bytes: Uint8Array, frame: Frame): void {
  const { ready } = lane.attachment;
  if (ready === null) {
    if (frame.type !== TYPE.HELLO) throw new SessionError("protocol", `${typeName(frame.type)} before HELLO`);
    handlers.presence.hello(lane, decodeControl(frame, Hello));
    return;
  }
  if (lane.attachment.standby === true && frame.type !== TYPE.MARK)
    throw new SessionError("protocol", `${typeName(frame.type)} from a standby agent`);
  if (lane.attachment.renewOnly === true && frame.type !== TYPE.RENEW) {
    throw new SessionError("protocol", `${typeName(frame.type)} with an expired token`);
  }
  if (frame.type === TYPE.MARK) {
    lane.echoed(frame.offset, Date.now());
    if (lane.attachment.kind === "agent") handlers.site.sessions.pump(ready.number);
    return;
  }
  if (frame.type < TYPE.SESSION) {
    laneFrame(handlers, lane, frame);
    return;
  }
  if (lane.attachment.kind !== "agent" && frame.type === TYPE.OPEN) {
    handlers.callerDoor.open(lane, frame);
    return;
  }
  if (lane.attachment.kind !== "agent" && frame.type === TYPE.RESUME) handlers.callerDoor.resume(lane, frame);
  if (lane.attachment.kind === "agent" && frame.channel === 0) handlers.site.sessions.receive(ready.number, frame);
  else forward(handlers.site.lanes, handlers.site.tokenUsage, lane, bytes, frame);
}

/** Handles a frame that concerns the lane or its end, not a stream. */
function laneFrame(handlers: Handlers, lane: Lane, frame: Frame): void {
  switch (frame.type) {
    case TYPE.HELLO:
      handlers.presence.helloAgain(lane, decodeControl(frame, Hello));
      return;
    case TYPE.GOAWAY:
      handlers.site.agents.drain(lane.attachment.ready?.number ?? 0);
      sendRoutesToAll(handlers.site);
      return;
    case TYPE.BUDGET:
      handlers.presence.ask(lane, frame);
      return;
    case TYPE.REPORT:
      if (lane.attachment.kind !== "agent") throw new SessionError("protocol", "REPORT from a caller");
      handlers.callerDoor.report(decodeControl(frame, Report), lane.attachment.site);
      return;
    case TYPE.RENEW:
      if (lane.attachment.kind === "client") throw new SessionError("protocol", "RENEW from a client");
      handlers.renew(lane);
      return;
    default:
      throw new SessionError("protocol", `${typeName(frame.type)} is not for a relay`);
  }
}
