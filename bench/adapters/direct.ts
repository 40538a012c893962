import type { Adapter } from "../harness/peer.ts";

/** No one in between: what the machine itself can do. */
export const direct: Adapter = {
  name: "direct",
  kind: "baseline",
  version: () => Promise.resolve("-"),
  serve: (targets) => Promise.resolve({ at: targets, processes: {} }),
};
