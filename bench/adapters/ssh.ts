import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { loopback } from "../../test/support/net.ts";
import { execute, run } from "../../test/support/run.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import type { Adapter } from "../harness/peer.ts";
import { listening, versionOf } from "./program.ts";

/** What people use when they have nothing else: `ssh -N -R`, with OpenSSH's own defaults. */
export const ssh: Adapter = {
  name: "ssh -R",
  kind: "mux",
  version: async () =>
    (await versionOf("/usr/sbin/sshd", "-V").catch(() => null)) === null ? null : versionOf("ssh", "-V"),
  serve: async (targets, stack) => {
    const host = loopback();
    const folder = stack.use(await tempDir());
    const file = (name: string): string => join(folder.path, name);
    for (const key of ["host", "user"]) await execute("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", file(key)]);
    if (process.getuid?.() === 0) await mkdir("/run/sshd", { recursive: true });
    const settings = {
      ListenAddress: host,
      Port: 2222,
      HostKey: file("host"),
      AuthorizedKeysFile: file("user.pub"),
      PidFile: "none",
    };
    const manners = {
      GatewayPorts: "clientspecified",
      PermitRootLogin: "yes",
      StrictModes: "no",
      UsePAM: "no",
      MaxSessions: 100,
    };
    await writeFile(
      file("config"),
      Object.entries({ ...settings, ...manners })
        .map(([name, value]) => `${name} ${value}\n`)
        .join(""),
    );
    const server = stack.use(run("/usr/sbin/sshd", ["-D", "-e", "-f", file("config")]));
    await server.until(/Server listening on/);
    const at = Object.fromEntries(Object.keys(targets).map((name, index) => [name, `${host}:${8000 + index}`]));
    const forwards = Object.entries(targets).flatMap(([name, target]) => ["-R", `${at[name]}:${target}`]);
    const trust = [
      "-o",
      "StrictHostKeyChecking=no",
      "-o",
      "UserKnownHostsFile=/dev/null",
      "-o",
      "LogLevel=ERROR",
      "-o",
      "ExitOnForwardFailure=yes",
    ];
    const client = stack.use(
      run("ssh", ["-F", "none", "-N", "-i", file("user"), "-p", "2222", ...trust, ...forwards, host]),
    );
    await listening(at["echo"] ?? "");
    return { at, processes: { sshd: server.pid, ssh: client.pid } };
  },
};
