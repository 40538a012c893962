import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { loopback } from "../../test/support/net.ts";
import { run } from "../../test/support/run.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import type { Adapter } from "../harness/peer.ts";
import { listening, versionOf } from "./program.ts";

/** A fast proxy in TCP mode, on one thread as everyone here. */
export const haproxy: Adapter = {
  name: "haproxy",
  kind: "baseline",
  version: () => versionOf("haproxy", "-v"),
  serve: async (targets, stack) => {
    const host = loopback();
    const folder = stack.use(await tempDir());
    const at = Object.fromEntries(Object.keys(targets).map((name, index) => [name, `${host}:${8000 + index}`]));
    const listeners = Object.entries(targets).map(
      ([name, target]) => `listen ${name}\n  bind ${at[name]} backlog 4096\n  server target ${target}`,
    );
    const times = "timeout connect 5s\n  timeout client 1h\n  timeout server 1h";
    const file = join(folder.path, "haproxy.cfg");
    await writeFile(
      file,
      `global\n  nbthread 1\n  maxconn 4000\ndefaults\n  mode tcp\n  maxconn 4000\n  ${times}\n${listeners.join("\n")}\n`,
    );
    const child = stack.use(run("haproxy", ["-f", file, "-db"]));
    await listening(at["echo"] ?? "");
    return { at, processes: { haproxy: child.pid } };
  },
};
