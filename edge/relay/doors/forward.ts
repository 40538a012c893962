import { filterBatch } from "../../../shared/wire/batch.ts";
import { SessionError } from "../../../shared/wire/errors.ts";
import { decodeFrame, isReserved, stamp, TYPE, typeName, type Frame } from "../../../shared/wire/frame.ts";
import { RELAY_BUDGET } from "../../../shared/wire/limits.ts";
import type { Lane } from "../lanes/lane.ts";
import { laneOf, type Lanes } from "../lanes/lanes.ts";
import { payloadBytes, type TokenUsage } from "../site/token-usage.ts";

// What passes between clients or gateways and agents. The relay stamps who is speaking, so nobody speaks for another.

/** Bytes on their way to an agent that it can't have granted: callers have overrun their credit; and how many more one of them may add. */
const OVERRUN_BACKLOG = RELAY_BUDGET;
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

/** Passes a frame on, unchanged but for the stamp. Throws SessionError on one that this kind of end may not send. */
export function forward(lanes: Lanes, tokenUsage: TokenUsage, lane: Lane, bytes: Uint8Array, frame: Frame): void {
  const { ready, kind } = lane.attachment;
  const number = ready?.number ?? 0;
  const allowed = kind === "agent" ? FROM_AGENTS : FROM_CALLERS;
  if (!allowed.has(frame.type) && !isReserved(frame.type))
    throw new SessionError("protocol", `${typeName(frame.type)} from a ${kind}`);
  const far = kind === "agent" ? lanes.caller(frame.channel) : lanes.agent(frame.slot);
  const to = far === undefined ? undefined : laneOf(far, frame.lane);
  // Nobody there: dropped. ROUTES has told the caller, and what it sent is still kept by its session.
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

/** An agent whose callers send more than it granted must not lose its lane for it: whoever does it loses his. */
function countExcess(lane: Lane, bytes: number): void {
  lane.excessBytes += bytes;
  if (lane.excessBytes > MAX_EXCESS) throw new SessionError("flow-control", "more was sent than the agent granted");
}

/** True of a datagram, and of a BATCH of them. */
function isDatagrams({ type, payload }: Frame): boolean {
  return type === TYPE.DGRAM || (type === TYPE.BATCH && payload[0] === TYPE.DGRAM);
}

/**
 * What of a frame of datagrams its lane still takes, from the end of this number: all of it, or what has its flow's share of a
 * lane that is crowded; null: nothing. The others are counted.
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
