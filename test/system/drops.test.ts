import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import type { AgentReport } from "../../agent/control/report.ts";
import type { StatusView } from "../../shared/rule/api.ts";
import { DATAGRAM_DEADLINE_MS } from "../../shared/wire/limits.ts";
import { testEdge } from "../support/edge.ts";
import { testAgent } from "../support/lan.ts";
import { link } from "../support/link.ts";
import { loopback } from "../support/net.ts";
import { udpServer, UdpVisitor } from "../support/peers.ts";
import { testSite } from "../support/site.ts";

const EVERY_MS = 5;
const AT_ONCE = 100;

test("an agent counts what it drops by reason, in status and for Prometheus: unproven peers, no room, too late", async () => {
  await using edge = await testEdge({}, "--udp", "9000");
  await using path = await link(edge.url);
  await using agent = await testAgent(edge, "--edge", path.url, "--metrics", "0");
  await using target = await udpServer(loopback(), 0, (socket) => {
    let flood: NodeJS.Timeout | undefined;
    let tens = 1;
    socket.on("message", (bytes, peer) => {
      const send = (times: number, what: Buffer): void => {
        for (let n = 0; n < times; n += 1) socket.send(what, peer.port, peer.address);
      };
      clearInterval(flood);
      if (bytes.toString() === "ten" && tens-- > 0) send(10, bytes);
      if (bytes.toString() === "flood") flood = setInterval(() => send(AT_ONCE, Buffer.alloc(1_400)), EVERY_MS);
    });
    socket.on("close", () => clearInterval(flood));
  });
  await edge.ok("map", "add", "9000/udp", "lab", `${target.host}:${target.port}`);
  await edge.serve.until(/"msg":"gateway: listening","endpoint":"9000\/udp"/);
  const drops = async (): Promise<AgentReport["drops"]> => {
    const { stdout } = await agent.ask("status", "--json");
    return (JSON.parse(stdout) as AgentReport).drops;
  };

  await using visitor = new UdpVisitor({ host: edge.host, port: 9000 });
  // A datagram that waits too long on a starved machine is dropped on purpose: both are sent until they are answered.
  await visitor.ask("ten");
  await expect.poll(async () => (await drops()).guard, { timeout: 60_000 }).toBe(7);

  // It has spoken after an answer. Now the path stands still, and the target does not.
  await visitor.ask("flood", ({ length }) => length === 1_400);
  await visitor.count(200);
  path.blackhole();
  await expect.poll(async () => (await drops()).queue, { timeout: 60_000 }).toBeGreaterThan(0);
  await using toTarget = new UdpVisitor(target);
  toTarget.send("stop");
  await pause(5 * DATAGRAM_DEADLINE_MS);
  path.heal();
  await expect.poll(async () => (await drops()).late, { timeout: 60_000 }).toBeGreaterThan(0);

  const text = (await agent.ask("status")).stdout;
  expect(text).toMatch(/dropped +\d+ datagrams \(queue\), \d+ datagrams? \(late\), 7 datagrams \(guard\)/);
  const [, url = ""] = /metrics +(\S+)/.exec(text) ?? [];
  const scraped = await (await fetch(url)).text();
  for (const reason of ["queue", "late", "guard"])
    expect(scraped).toMatch(new RegExp(`sallyport_agent_datagrams_dropped_total\\{reason="${reason}"\\} [1-9]`));
});

test("datagrams that a relay can't hand on in time are dropped, and status says how many", async () => {
  await using site = await testSite({}, "--udp", "9000");
  await using echo = await udpServer(loopback());
  await site.map("9000/udp", `${echo.host}:${echo.port}`);
  await site.edge.serve.until(/"msg":"gateway: listening","endpoint":"9000\/udp"/);
  await using visitor = new UdpVisitor({ host: site.edge.host, port: 9000 });
  await visitor.ask("ready?");
  const dropped = async (): Promise<number> =>
    (await site.edge.json<StatusView>("status")).sites[0]?.droppedDatagrams ?? 0;
  expect(await dropped()).toBe(0);
  site.agent.kill("SIGSTOP");
  const flood = setInterval(() => {
    for (let n = 0; n < AT_ONCE; n += 1) visitor.send(Buffer.alloc(1_400));
  }, EVERY_MS);
  await expect.poll(dropped, { timeout: 60_000 }).toBeGreaterThan(0);
  clearInterval(flood);
  site.agent.kill("SIGCONT");
  await visitor.ask("back", (answer) => answer.toString() === "back");
});
