import type { Moments } from "../shared/session/outlet.ts";

/** When gathered frames leave: after the sockets of this turn, so that what several of them caused leaves together. */
export const MOMENTS: Moments = {
  soon: (run) => void setImmediate(run),
  later: (run, ms) => void setTimeout(run, ms),
};
