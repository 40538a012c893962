import { unbatch } from "../../shared/batch.ts";
import { SessionError } from "../../shared/errors.ts";
import { isReserved, stamp, TYPE, typeName, type Frame } from "../../shared/frame.ts";
import { RELAY_BUDGET } from "../../shared/limits.ts";
import type { Lane } from "./lane.ts";
import { laneOf, type Lanes } from "./lanes.ts";
import { carriedBy, type Spending } from "./spending.ts";

// What passes between clients or gateways and agents. The relay stamps who is speaking, so nobody speaks for another.

/** Bytes on their way to an end, as MARK tells, beyond which its datagrams are dropped: MARK counts in steps of 64 KiB. */
const DATAGRAM_BACKLOG = 256 * 1024;

/** Bytes on their way to an agent that it can't have granted: callers have overrun their credit; and how many more one of them may add. */
const PRESSING_BACKLOG = RELAY_BUDGET;
const MOST_PRESSED = 2 * 1024 * 1024;

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
export function forward(lanes: Lanes, spending: Spending, lane: Lane, bytes: Uint8Array, frame: Frame): void {
  const { ready, kind } = lane.attachment;
  const number = ready?.number ?? 0;
  const allowed = kind === "agent" ? FROM_AGENTS : FROM_CALLERS;
  if (!allowed.has(frame.type) && !isReserved(frame.type))
    throw new SessionError("protocol", `${typeName(frame.type)} from a ${kind}`);
  const far = kind === "agent" ? lanes.caller(frame.channel) : lanes.agent(frame.slot);
  const to = far === undefined ? undefined : laneOf(far, frame.lane);
  // Nobody there: dropped. ROUTES has told the caller, and what it sent is still kept by its session.
  if (to === undefined) return;
  // What is queued here can't be taken back, so a datagram that would be late anyway is not queued.
  if (to.backlog > DATAGRAM_BACKLOG) {
    const datagrams = datagramsIn(frame);
    to.droppedDatagrams += datagrams;
    lanes.droppedDatagrams += datagrams;
    if (datagrams > 0) return;
  }
  const { jti, caps } = (kind === "agent" ? to : lane).attachment;
  if (caps?.bytes !== undefined) spending.count(jti, caps.bytes, carriedBy(frame));
  if (kind !== "agent" && to.backlog > PRESSING_BACKLOG) press(lane, bytes.byteLength);
  stamp(bytes, kind === "agent" ? { slot: number } : { channel: number });
  to.send(bytes);
}

/** An agent whose callers send more than it granted must not lose its lane for it: whoever does it loses his. */
function press(lane: Lane, bytes: number): void {
  lane.pressed += bytes;
  if (lane.pressed > MOST_PRESSED) throw new SessionError("flow-control", "more was sent than the agent granted");
}

/** How many datagrams a frame is, if it is nothing else; 0 for one that may not be dropped. */
function datagramsIn(frame: Frame): number {
  if (frame.type === TYPE.DGRAM) return 1;
  if (frame.type !== TYPE.BATCH || frame.payload[0] !== TYPE.DGRAM) return 0;
  const entries = unbatch(frame);
  return entries.every(({ type }) => type === TYPE.DGRAM) ? entries.length : 0;
}
