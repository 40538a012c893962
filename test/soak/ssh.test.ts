import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { needs } from "../support/debian.ts";
import { record } from "../support/record.ts";
import { rig, type Rig } from "../support/rig.ts";
import { scp, Shell } from "../support/shell.ts";
import { sshd } from "../support/sshd.ts";

// An SSH session and an scp beside it, while everything that may break does.

const DARK_MS = 20_000;
const STOPPED_MS = 15_000;
const MIB = 256;
const MIB_PER_SECOND = 4;
/** MiB between two faults. */
const EVERY = 12;

type Fault = { name: string; befall: (all: Rig) => Promise<void> };

const cut: Fault = { name: "all of the agent's lanes cut", befall: async (all) => all.inner.cut() };
const cutOne: Fault = { name: "one of the agent's lanes cut", befall: async (all) => all.inner.cutOne(1) };
const cutClient: Fault = { name: "the client's lanes cut", befall: async (all) => all.outer.cut() };
const kill: Fault = { name: "workerd killed", befall: (all) => all.killEdge() };
const stop: Fault = {
  name: "the agent stopped and continued",
  befall: async ({ agent }) => {
    agent.kill("SIGSTOP");
    await pause(STOPPED_MS);
    agent.kill("SIGCONT");
  },
};
const dark: Fault = {
  name: "the agent's path dark",
  befall: async ({ inner }) => {
    inner.blackhole();
    await pause(DARK_MS);
    inner.heal();
  },
};
const darkClient: Fault = {
  name: "the client's path dark",
  befall: async ({ outer }) => {
    outer.blackhole();
    await pause(DARK_MS);
    outer.heal();
  },
};

test.each([
  ["through a client", [cut, cutClient, kill, dark, stop, kill, darkClient, cutOne, kill, kill, cut]],
  ["through the edge's own port", [cut, cutOne, dark, stop, cut, cut, cutOne, dark]],
] as const)("an SSH session and an scp %s survive all of it", async (way, faults) => {
  await withSsh(way, async (all, shell, copy) => {
    const began = Date.now();
    const met: { fault: string; answeredAfterMs: number }[] = [];
    for (const [index, { name, befall }] of faults.entries()) {
      await copy.arrived((index + 1) * EVERY);
      await befall(all);
      const since = Date.now();
      await shell.answers();
      met.push({ fault: name, answeredAfterMs: Date.now() - since });
    }
    expect(await copy.result()).toEqual({ code: 0, stderr: "", isSame: true });
    await shell.answers();
    const name = way === "through a client" ? "ssh-client" : "ssh-port";
    await record(name, { scpMiB: MIB, darkSeconds: DARK_MS / 1000, seconds: (Date.now() - began) / 1000, met });
  });
});

async function withSsh(
  way: "through a client" | "through the edge's own port",
  use: (all: Rig, shell: Shell, copy: Awaited<ReturnType<typeof scp>>) => Promise<void>,
): Promise<void> {
  await using server = await sshd();
  await using all = await rig();
  const mapped = async () => {
    await all.edge.ok("map", "add", "8080/tcp", "lab", server.address);
    return { host: all.edge.host, port: 8080 };
  };
  const { host, port } = way === "through a client" ? await all.client("ssh", server.address) : await mapped();
  await using shell = new Shell(server, host, port);
  await shell.answers();
  await using copy = await scp(server, host, port, MIB, MIB_PER_SECOND);
  await use(all, shell, copy);
}

test.beforeEach(async (context) => needs(context, "openssh-server", "openssh-client"));
