import { filterBatch } from "../../../shared/wire/batch.ts";
import { SessionError } from "../../../shared/wire/errors.ts";
import { decodeFrame, isReserved, stamp, TYPE, typeName, type Frame } from "../../../shared/wire/frame.ts";
import { RELAY_BUDGET } from "../../../shared/wire/limits.ts";
import type { Lane } from "../lanes/lane.ts";
import { laneOf, type Lanes } from "../lanes/lanes.ts";
import { payloadBytes, type TokenUsage } from "../site/token-usage.ts";

// Frames between callers and agents. The relay stamps the sender's slot or channel on each, so no end can send as another.

/** Backlog of an agent's lane that credit can't have allowed, so its callers have exceeded theirs. */
const OVERRUN_BACKLOG = RELAY_BUDGET;
/** Bytes that one caller may still add to such a backlog. */
const MAX_EXCESS = 2 * 1024 * 1024;

const FROM_CALLERS: ReadonlySet<number> = new Set([
  TYPE.SESSION,
  TYPE.WINDOW,
  TYPE.RESUME,
  TYPE.END,
  TYPE.DATA,
  TYPE.FIN,
  TYPE.RESET,
  TYPE.CREDIT,
  TYPE.ASK,
  TYPE.DGRAM,
  TYPE.BATCH,
]);
const FROM_AGENTS: ReadonlySet<number> = new Set([
  TYPE.WINDOW,
  TYPE.RESUMED,
  TYPE.NUDGE,
  TYPE.END,
  TYPE.ACCEPT,
  TYPE.REJECT,
  TYPE.DATA,
  TYPE.FIN,
  TYPE.RESET,
  TYPE.CREDIT,
  TYPE.ASK,
  TYPE.DGRAM,
  TYPE.UNKNOWN_FLOW,
  TYPE.BATCH,
]);

/** Forwards a frame, unchanged but for the stamp. Throws SessionError for a frame that this kind of end may not send. */
export function forward(lanes: Lanes, tokenUsage: TokenUsage, lane: Lane, bytes: Uint8Array, frame: Frame): void {
  const { ready, kind } = lane.attachment;
  const number = ready?.number ?? 0;
  const allowed = kind === "agent" ? FROM_AGENTS : FROM_CALLERS;
  if (!allowed.has(frame.type) && !isReserved(frame.type))
    throw new SessionError("protocol", `${typeName(frame.type)} from a ${kind}`);
  const far = kind === "agent" ? lanes.caller(frame.channel) : lanes.agent(frame.slot);
  const to = far === undefined ? undefined : laneOf(far, frame.lane);
  // The receiver is not connected: drop the frame. ROUTES has told the caller, and its session still keeps what it sent.
  if (to === undefined) return;
  const areDatagrams = isDatagrams(frame);
  const rest = areDatagrams ? filterDatagrams(lanes, to, number, bytes, frame) : bytes;
  if (rest === null) return;
  const { jti, caps } = (kind === "agent" ? to : lane).attachment;
  if (caps?.bytes !== undefined) tokenUsage.count(jti, caps.bytes, payloadBytes(decodeFrame(rest)));
  if (kind !== "agent" && to.backlog > OVERRUN_BACKLOG) countExcess(lane, bytes.byteLength);
  stamp(rest, kind === "agent" ? { slot: number } : { channel: number });
  if (areDatagrams) to.sendDatagrams(rest);
  else to.send(rest);
}

/** Counts bytes that a caller sends beyond its credit. Throws SessionError when they are too many: the caller loses its lane, not the agent. */
function countExcess(lane: Lane, bytes: number): void {
  lane.excessBytes += bytes;
  if (lane.excessBytes > MAX_EXCESS) throw new SessionError("flow-control", "more was sent than the agent granted");
}

/** Whether a frame is a datagram or a BATCH of datagrams. */
function isDatagrams({ type, payload }: Frame): boolean {
  return type === TYPE.DGRAM || (type === TYPE.BATCH && payload[0] === TYPE.DGRAM);
}

/**
 * Returns the part of a frame of datagrams that its lane accepts: all of it, or on a congested lane the datagrams within their flows'
 * shares; null when nothing is left. Counts the dropped ones. `number`: slot or channel of the sender.
 */
function filterDatagrams(lanes: Lanes, to: Lane, number: number, bytes: Uint8Array, frame: Frame): Uint8Array | null {
  const now = performance.now();
  if (!to.datagramFilter.isCongested(now)) return bytes;
  const accepts = ({ type, stream, payload }: Frame): boolean => {
    if (type !== TYPE.DGRAM || to.datagramFilter.tryAccept(`${number}/${stream}`, payload.byteLength, now)) return true;
    to.droppedDatagrams += 1;
    lanes.droppedDatagrams += 1;
    return false;
  };
  if (frame.type === TYPE.BATCH) return filterBatch(bytes, frame, accepts);
  return accepts(frame) ? bytes : null;
}
