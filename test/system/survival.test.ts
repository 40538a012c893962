import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { bothWays, expected } from "../support/both-ways.ts";
import { digest, noise } from "../support/bytes.ts";
import { needs } from "../support/debian.ts";
import { loopback } from "../support/net.ts";
import { rig } from "../support/rig.ts";
import { execute } from "../support/run.ts";
import { scp, Shell } from "../support/shell.ts";
import { sshd } from "../support/sshd.ts";

// What breaks, and who goes on. test/soak/survival.test.ts does the same with a GiB each way, and for longer.

const MIB = 2 ** 20;

test("an scp and an SSH session through a client go on through cuts, a dark path, a stopped agent and a killed edge", async (context) => {
  await needs(context, "openssh-server", "openssh-client");
  await using server = await sshd();
  await using all = await rig();
  const { host, port } = await all.client("ssh", server.address);
  await using shell = new Shell(server, host, port);
  await shell.answers();
  await using copy = await scp(server, host, port, 20, 4);
  await copy.arrived(2);
  all.inner.cut();
  all.outer.cutOne(1);
  await shell.answers();
  await copy.arrived(6);
  all.inner.blackhole();
  all.outer.blackhole();
  await pause(4_000);
  all.inner.heal();
  all.outer.heal();
  await shell.answers();
  await copy.arrived(10);
  all.agent.kill("SIGSTOP");
  await pause(3_000);
  all.agent.kill("SIGCONT");
  await copy.arrived(14);
  await all.killEdge();
  await shell.answers();
  expect(await copy.result()).toEqual({ code: 0, stderr: "", isSame: true });
});

test("bytes both ways at once through a client go on after workerd is killed, twice", async () => {
  await using all = await rig();
  let kills = 0;
  let killing = false;
  await using peers = await bothWays(16 * MIB, 16 * MIB, (bytes) => {
    if (killing || kills === 2 || bytes < (kills + 1) * 8 * MIB) return;
    killing = true;
    kills += 1;
    void all.killEdge().then(() => (killing = false));
  });
  const { host, port } = await all.client("bulk", peers.target);
  expect(await peers.visit(host, port)).toEqual(await expected(16 * MIB, 16 * MIB));
  expect(kills).toBe(2);
});

test("a curl download through the edge's own port goes on through cuts of the agent's connections", async (context) => {
  await needs(context, "curl");
  await using all = await rig();
  let sent = 0;
  const server = createServer((_, response) => {
    response.writeHead(200, { "content-length": 24 * MIB });
    const body = noise(24 * MIB);
    body.on("data", (chunk: Buffer) => {
      const before = Math.floor(sent / (4 * MIB));
      sent += chunk.length;
      if (Math.floor(sent / (4 * MIB)) === before) return;
      if (before % 2 === 0) all.inner.cut();
      else all.inner.cutOne(before);
    });
    body.pipe(response);
  });
  server.listen(0, loopback());
  await once(server, "listening");
  const { address, port } = server.address() as AddressInfo;
  await all.edge.ok("map", "add", "8080/tcp", "lab", `${address}:${port}`);
  const command = `curl --silent --show-error --fail http://${all.edge.host}:8080/film | sha256sum; echo $PIPESTATUS`;
  const { stdout, stderr } = await execute("bash", ["-c", command]);
  server.close();
  const { sha256 } = await digest(noise(24 * MIB));
  expect({ stdout, stderr }).toEqual({ stdout: `${sha256}  -\n0\n`, stderr: "" });
  expect(all.agent.stderr).toMatch(/not connected/);
});
