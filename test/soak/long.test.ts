import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import net from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { AGENT, SYSTEM_NODE } from "../../scripts/tool.ts";
import type { ConnectionView, StatusView } from "../../shared/rule/api.ts";
import { digest, noise } from "../support/bytes.ts";
import { needs } from "../support/debian.ts";
import { testEdge, type TestEdge } from "../support/edge.ts";
import { link } from "../support/link.ts";
import { loopback } from "../support/net.ts";
import { residentMiB } from "../support/process.ts";
import { record } from "../support/record.ts";
import { run, type Run } from "../support/run.ts";
import { sshd } from "../support/sshd.ts";
import { ANYWHERE } from "../support/targets.ts";

// What takes minutes. Figures go to bench/results/, with the machine they were taken on.

const MIB = 1024 * 1024;
const IDLE_MS = 180_000;
const CUTS = 200;
const CYCLES = 6;

test("an SSH session that idles for minutes is there when it is needed", async (context) => {
  await needs(context, "openssh-server", "openssh-client");
  await using server = await sshd();
  await using edge = await testEdge({ tcp: "8080" });
  await using agent = await agentOf(edge, edge.url, server.address);
  await using shell = run("ssh", ["-tt", ...server.client(edge.host, 8080)], { interactive: true });
  shell.type("echo $((6 * 7)) before\n");
  await shell.until(/^42 before/m);
  await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
  shell.type("echo $((6 * 7)) after\n");
  await shell.until(/^42 after/m);
  expect(agent.pid).toBeGreaterThan(0);
  await record("ssh-idle", { idleSeconds: IDLE_MS / 1000 });
});

test("a GiB down through two hundred cuts of the agent's connections arrives byte for byte", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  await using path = await link(edge.url);
  await using target = await serve((socket) => void noise(1024 * MIB).pipe(socket));
  await using agent = await agentOf(edge, path.url, target.address);
  const visitor = net.connect(8080, edge.host);
  let cuts = 0;
  visitor.on("data", () => {
    if (visitor.bytesRead < (cuts + 1) * 5 * MIB || cuts === CUTS) return;
    cuts += 1;
    if (cuts % 4 === 0) path.cut();
    else path.cutOne(cuts);
  });
  const began = Date.now();
  expect(await digest(visitor)).toEqual(await digest(noise(1024 * MIB)));
  expect(cuts).toBe(CUTS);
  await record("cuts", {
    cuts,
    seconds: (Date.now() - began) / 1000,
    agentStderrLines: agent.stderr.split("\n").length,
  });
});

test("a thousand connections a cycle, two hundred at once: none is lost, none is left, and memory reaches a plateau", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  await using target = await serve((socket) => void socket.pipe(socket));
  await using agent = await agentOf(edge, edge.url, target.address);
  const rounds: { workerdMiB: number; agentMiB: number }[] = [];
  for (let cycle = 0; cycle < CYCLES; cycle += 1) {
    for (let batch = 0; batch < 5; batch += 1) {
      const said = await Promise.all(
        Array.from({ length: 200 }, (_, index) => exchange(edge.host, `${cycle}.${batch}.${index}`)),
      );
      expect(said.filter((each) => each !== "same")).toEqual([]);
    }
    rounds.push({ workerdMiB: await residentMiB(edge.workerd), agentMiB: await residentMiB(agent.pid) });
  }
  await expect
    .poll(async () => (await edge.json<StatusView>("status")).sites[0]?.agents[0]?.streams, { timeout: 60_000 })
    .toBe(0);
  const lost = (await edge.json<ConnectionView[]>("log")).filter((each) => each.outcome !== "done");
  expect(lost).toEqual([]);
  const [first, last] = [rounds[CYCLES / 2 - 1], rounds.at(-1)];
  expect(last?.workerdMiB ?? Infinity).toBeLessThan((first?.workerdMiB ?? 0) * 1.5);
  expect(last?.agentMiB ?? Infinity).toBeLessThan((first?.agentMiB ?? 0) * 1.5);
  await record("churn", { cycles: rounds });
});

/** One connection that says something, hears it again, and sees the end. */
async function exchange(host: string, words: string): Promise<string> {
  const socket = net.connect({ host, port: 8080 });
  await once(socket, "connect");
  socket.end(words);
  let heard = "";
  for await (const chunk of socket) heard += String(chunk);
  return heard === words ? "same" : `${words}: ${heard}`;
}

async function agentOf(edge: TestEdge, url: string, target: string): Promise<Run> {
  await edge.ok("site", "add", "lab");
  const file = join(edge.data, "token");
  await writeFile(file, await edge.ok("token", "agent", "lab", "--local", ...ANYWHERE), { mode: 0o600 });
  await edge.ok("map", "add", "8080/tcp", "lab", target);
  const agent = run(SYSTEM_NODE, [AGENT, "--token-file", file, "--edge", url, "--log", "json"]);
  await agent.until(/"msg":"ready"/);
  return agent;
}

async function serve(handle: (socket: net.Socket) => void) {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => {});
    handle(socket);
  });
  server.listen(0, loopback());
  await once(server, "listening");
  const { address, port } = server.address() as net.AddressInfo;
  return { address: `${address}:${port}`, [Symbol.asyncDispose]: async () => void server.close() };
}
