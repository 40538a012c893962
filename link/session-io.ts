import type { SessionIo } from "../shared/session/session.ts";
import type { Lanes } from "./lanes.ts";

/** What sessions over these lanes need: where frames leave, and this process's clock. */
export function sessionIo(lanes: Pick<Lanes, "send" | "room">): SessionIo {
  return {
    send: (frame, lane) => lanes.send(frame, lane),
    room: (lane) => lanes.room(lane),
    now: () => performance.now(),
    // After the sockets of this turn, so that what several of them caused leaves together.
    gather: { soon: (run) => void setImmediate(run), later: (run, ms) => void setTimeout(run, ms) },
  };
}
