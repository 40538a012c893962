import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import type { StatusView } from "../../shared/rule/api.ts";
import { needs } from "../support/debian.ts";
import { rig } from "../support/rig.ts";
import { Shell } from "../support/shell.ts";
import { sshd } from "../support/sshd.ts";

test("an SSH session that idles through a client until its relay hibernates is there when it is needed", async (context) => {
  await needs(context, "openssh-server", "openssh-client");
  await using server = await sshd();
  await using all = await rig();
  const { host, port } = await all.client("ssh", server.address);
  await using shell = new Shell(server, host, port);
  await shell.answers();
  const instance = async () => (await all.edge.json<StatusView>("status")).sites[0]?.relay.instance;
  const before = await instance();
  // The platform puts an object to sleep after ten seconds in which nobody asked it anything; pings don't count.
  await expect
    .poll(
      async () => {
        await pause(12_000);
        return (await instance()) === before;
      },
      { timeout: 120_000 },
    )
    .toBe(false);
  await shell.answers();
});
