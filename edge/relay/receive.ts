import { decodeControl, Hello, Report } from "../../shared/wire/control.ts";
import { LANE_CLOSE, SessionError } from "../../shared/wire/errors.ts";
import { decodeFrame, TYPE, typeName, type Frame } from "../../shared/wire/frame.ts";
import { MAX_CONTROL, MAX_FRAME } from "../../shared/wire/limits.ts";
import { logFault } from "../fault.ts";
import type { Forwarded } from "./doors/forwarded.ts";
import { forward } from "./doors/forward.ts";
import type { Lane } from "./lanes/lane.ts";
import type { Reception } from "./reception.ts";
import { tellAll } from "./site/routes.ts";
import type { Site } from "./site/site.ts";

/** Who is handed what lanes bring. */
export type Post = {
  readonly site: Site;
  readonly reception: Reception;
  readonly forwarded: Forwarded;
  /** Sends a token's successor down its lane. */
  renew: (lane: Lane) => void;
};

/** A message of a lane. What breaks the protocol, or what we fail at, ends that lane and nothing else. */
export function receive(post: Post, lane: Lane, message: ArrayBuffer | string): void {
  try {
    if (typeof message === "string") throw new SessionError("protocol", "a text message that is not ping");
    if (message.byteLength > MAX_FRAME + MAX_CONTROL)
      throw new SessionError("protocol", `a frame of ${message.byteLength} bytes`);
    const bytes = new Uint8Array(message);
    route(post, lane, bytes, decodeFrame(bytes));
  } catch (error) {
    if (error instanceof SessionError) {
      const code = error.code === "flow-control" ? LANE_CLOSE.overrun : LANE_CLOSE.protocol;
      return post.reception.dismiss(lane, code, error.message);
    }
    logFault("the relay", error);
    post.reception.dismiss(lane, LANE_CLOSE.internal, "the relay failed; the edge's log says how");
  }
}

/**
 * Hands a frame to whom it is for. Synchronous up to the point of forwarding: one await here and DATA overtakes OPEN
 * (measured).
 */
function route(post: Post, lane: Lane, bytes: Uint8Array, frame: Frame): void {
  const { ready } = lane.attachment;
  if (ready === null) {
    if (frame.type !== TYPE.HELLO) throw new SessionError("protocol", `${typeName(frame.type)} before HELLO`);
    post.reception.hello(lane, decodeControl(frame, Hello));
    return;
  }
  if (lane.attachment.standby === true && frame.type !== TYPE.MARK)
    throw new SessionError("protocol", `${typeName(frame.type)} from an agent that stands by`);
  if (lane.attachment.renewOnly === true && frame.type !== TYPE.RENEW) {
    throw new SessionError("protocol", `${typeName(frame.type)} with a token that has lapsed`);
  }
  if (frame.type === TYPE.MARK) {
    lane.echoed(frame.offset, Date.now());
    if (lane.attachment.kind === "agent") post.site.sessions.pump(ready.number);
    return;
  }
  if (frame.type < TYPE.SESSION) {
    laneFrame(post, lane, frame);
    return;
  }
  if (lane.attachment.kind !== "agent" && frame.type === TYPE.OPEN) {
    post.forwarded.open(lane, frame);
    return;
  }
  if (lane.attachment.kind !== "agent" && frame.type === TYPE.RESUME) post.forwarded.resume(lane, frame);
  if (lane.attachment.kind === "agent" && frame.channel === 0) post.site.sessions.receive(ready.number, frame);
  else forward(post.site.lanes, post.site.spending, lane, bytes, frame);
}

/** What an end says of a lane, not of a stream. */
function laneFrame(post: Post, lane: Lane, frame: Frame): void {
  switch (frame.type) {
    case TYPE.HELLO:
      post.reception.helloAgain(lane, decodeControl(frame, Hello));
      return;
    case TYPE.GOAWAY:
      post.site.agents.drain(lane.attachment.ready?.number ?? 0);
      tellAll(post.site);
      return;
    case TYPE.BUDGET:
      post.reception.ask(lane, frame);
      return;
    case TYPE.REPORT:
      if (lane.attachment.kind !== "agent") throw new SessionError("protocol", "REPORT from a caller");
      post.forwarded.report(decodeControl(frame, Report), lane.attachment.site);
      return;
    case TYPE.RENEW:
      if (lane.attachment.kind === "client") throw new SessionError("protocol", "RENEW from a client");
      post.renew(lane);
      return;
    default:
      throw new SessionError("protocol", `${typeName(frame.type)} is not for a relay`);
  }
}
