import { loopback } from "../../test/support/net.ts";
import { run } from "../../test/support/run.ts";
import type { Adapter } from "../harness/peer.ts";
import { listening, versionOf } from "./program.ts";

/** The plainest proxy there is: one process a connection. */
export const socat: Adapter = {
  name: "socat",
  kind: "baseline",
  version: () => versionOf("socat", "-V"),
  serve: async (targets, stack) => {
    const host = loopback();
    const at: Record<string, string> = {};
    const processes: Record<string, number> = {};
    for (const [index, [name, target]] of Object.entries(targets).entries()) {
      at[name] = `${host}:${8000 + index}`;
      const listen = `TCP-LISTEN:${8000 + index},bind=${host},fork,reuseaddr,nodelay,backlog=4096`;
      processes[`socat ${name}`] = stack.use(run("socat", ["-b", "65536", listen, `TCP:${target},nodelay`])).pid;
    }
    for (const [name, address] of Object.entries(at)) if (name !== "bulk") await listening(address);
    return { at, processes };
  },
};
