import type { SessionIo } from "../shared/session/session.ts";
import type { Lanes } from "./lanes.ts";

/** Makes what sessions over these lanes need: where to send frames, and this process's clock. */
export function sessionIo(lanes: Pick<Lanes, "send" | "maxFrame">): SessionIo {
  return {
    send: (frame, lane) => lanes.send(frame, lane),
    maxFrame: (lane) => lanes.maxFrame(lane),
    now: () => performance.now(),
    // After the socket events of this turn, so that the frames which several of them cause leave together.
    batching: { soon: (run) => void setImmediate(run), later: (run, ms) => void setTimeout(run, ms) },
  };
}
