import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import type { AgentReport } from "../../agent/control/report.ts";
import type { ConnectionView } from "../../shared/rule/api.ts";
import { testEdge } from "../support/edge.ts";
import { testAgent } from "../support/lan.ts";
import { loopback } from "../support/net.ts";
import { udpServer, UdpVisitor } from "../support/peers.ts";
import { testSite, type TestSite } from "../support/site.ts";

/** The shortest silence that ends a flow. */
const IDLE = ["--idle", "5s"];

/** How flows at an endpoint have ended, once so many have. */
async function ended(site: TestSite, endpoint: string, flows = 1): Promise<ConnectionView[]> {
  let found: ConnectionView[] = [];
  await expect
    .poll(async () => (found = await site.edge.json("log", "--endpoint", endpoint)).length, { timeout: 60_000 })
    .toBeGreaterThanOrEqual(flows);
  return found;
}

test("a target that answers from another port of its host is heard, and goes on being spoken to at the one that is mapped", async () => {
  await using site = await testSite();
  const token = await site.token("gateway");
  const [target, host] = [loopback(), loopback()];
  await using mapped = await udpServer(target, 0, () => undefined);
  await using other = await udpServer(target);
  await site.map("9000/udp", `${target}:${mapped.port}`);
  await site.gateway(token, "--bind", host);
  await using visitor = new UdpVisitor({ host, port: 9000 });
  mapped.socket.on("message", (bytes, { port, address }) => other.socket.send(`to ${bytes.toString()}`, port, address));
  for (const text of ["one", "two", "three"])
    expect((await visitor.ask(text, (answer) => answer.toString() === `to ${text}`)).toString()).toBe(`to ${text}`);
});

test("what follows a request of TFTP goes to the port that answered it, and another request to the one that is mapped", async () => {
  await using site = await testSite();
  const token = await site.token("gateway");
  const [target, host] = [loopback(), loopback()];
  const requests: string[] = [];
  const acknowledged: string[] = [];
  await using stack = new AsyncDisposableStack();
  // As TFTP servers do: each request is answered from a port of its own.
  const server = await udpServer(target, 69, (socket) => {
    socket.on("message", (bytes, peer) => {
      requests.push(bytes.toString());
      void udpServer(target, 0, (own) => own.on("message", (each) => acknowledged.push(each.toString()))).then(
        (own) => {
          stack.use(own);
          own.socket.send(`\0\u0003\0\u0001for ${bytes.toString()}`, peer.port, peer.address);
        },
      );
    });
  });
  stack.use(server);
  await site.map("6900/udp", `${target}:69`, "--reflector-ok");
  await site.gateway(token, "--bind", host);
  await using visitor = new UdpVisitor({ host, port: 6900 });
  for (const request of ["\0\u0001first\0octet\0", "\0\u0002second\0octet\0"]) {
    await visitor.ask(request, (answer) => answer.toString().endsWith(request));
    const before = acknowledged.length;
    const again = setInterval(() => visitor.send("\0\u0004\0\u0001"), 200);
    await expect.poll(() => acknowledged.length, { timeout: 60_000 }).toBeGreaterThan(before);
    clearInterval(again);
  }
  expect(new Set(acknowledged)).toEqual(new Set(["\0\u0004\0\u0001"]));
  expect(new Set(requests)).toEqual(new Set(["\0\u0001first\0octet\0", "\0\u0002second\0octet\0"]));
});

test("neither another host of the LAN nor a port that the agent's own rules forbid reaches a visitor; the log names the port", async () => {
  await using edge = await testEdge({}, "--udp", "9000");
  const target = loopback();
  await using mapped = await udpServer(target, 0, () => undefined);
  await using other = await udpServer(target, 0, () => undefined);
  await using stranger = await udpServer(loopback(), 0, () => undefined);
  await using agent = await testAgent(edge, "--allow", `${target}:${mapped.port}`);
  await edge.ok("map", "add", "9000/udp", "lab", `${target}:${mapped.port}`, ...IDLE);
  await edge.serve.until(/"msg":"gateway: listening","endpoint":"9000\/udp"/);
  await using visitor = new UdpVisitor({ host: edge.host, port: 9000 });
  mapped.socket.on("message", (_, { port, address }) => {
    stranger.socket.send("from another host", port, address);
    other.socket.send("from another port", port, address, () => mapped.socket.send("from the target", port, address));
  });
  await visitor.ask("may I have an answer?", (answer) => answer.toString() === "from the target");
  let log: ConnectionView[] = [];
  await expect
    .poll(async () => (log = await edge.json("log", "--endpoint", "9000/udp")).length, { timeout: 60_000 })
    .toBe(1);
  expect(new Set(visitor.received.map(String))).toEqual(new Set(["from the target"]));
  expect(log).toMatchObject([
    {
      outcome: "reset",
      code: "target-denied",
      reason: expect.stringMatching(
        `port ${other.port} of ${target}.*not allowed by the agent's own --allow`,
      ) as unknown,
    },
  ]);
  const { drops } = JSON.parse((await agent.ask("status", "--json")).stdout) as AgentReport;
  expect(drops.refused).toBeGreaterThan(0);
});

test("answers to sources that a mapping's list names are not held back; those to strangers are, and the log says so", async () => {
  await using site = await testSite();
  const token = await site.token("gateway");
  const [host, friend, stranger] = [loopback(), loopback(), loopback()];
  const long = Buffer.alloc(1_400, 120);
  await using target = await udpServer(loopback(), 0, (socket) => {
    socket.on("message", (_, peer) => socket.send(long, peer.port, peer.address));
  });
  const at = `${target.host}:${target.port}`;
  await site.map("9000/udp", at, "--allow-from", `${friend}/32`, ...IDLE);
  await site.map("9001/udp", at, "--allow-from", `${friend}/32`, "--allow-from", "0.0.0.0/0", ...IDLE);
  await site.map("9002/udp", at, "--allow-from", "0.0.0.0/1", "--allow-from", "128.0.0.0/1", ...IDLE);
  await site.gateway(token, "--bind", host);
  for (const port of [9000, 9001]) {
    await using visitor = new UdpVisitor({ host, port }, friend);
    expect((await visitor.ask("?")).byteLength).toBe(1_400);
  }
  expect(await ended(site, "9000/udp")).toMatchObject([{ outcome: "done", code: "" }]);
  await ended(site, "9001/udp");
  for (const [port, flows] of [
    [9001, 2],
    [9002, 1],
  ] as const) {
    await using visitor = new UdpVisitor({ host, port }, stranger);
    for (let n = 0; n < 3; n += 1) {
      visitor.send("?");
      await pause(100);
    }
    const held = (await ended(site, `${port}/udp`, flows)).at(-1);
    expect(held).toMatchObject({
      ...{ visitor: expect.stringContaining(stranger) as unknown, outcome: "refused", code: "denied", bytesOut: 0 },
      reason: expect.stringMatching(/^\d answers? \(\d+ bytes\) held back: .*--allow-from.*--reflector-ok$/) as unknown,
    });
    expect(visitor.received).toEqual([]);
  }
  await site.agent.until(/"msg":"stream ended early".*"code":"denied"/);
});

test("a name server's answer that a stranger may not have is cut to the question, and says to ask over TCP", async () => {
  await using site = await testSite();
  const token = await site.token("gateway");
  const [target, host] = [loopback(), loopback()];
  const question = Buffer.from(
    "123401000001000000000000046c6f6e67076578616d706c65000010000 1".replaceAll(" ", ""),
    "hex",
  );
  await using _server = await udpServer(target, 53, (socket) => {
    socket.on("message", (bytes, peer) => {
      const answer = Buffer.concat([bytes, Buffer.alloc(1_000)]);
      answer.writeUInt16BE(0x8180, 2);
      answer.writeUInt16BE(5, 6);
      socket.send(answer, peer.port, peer.address);
    });
  });
  await site.map("5300/udp", `${target}:53`, ...IDLE);
  await site.gateway(token, "--bind", host);
  await using visitor = new UdpVisitor({ host, port: 5300 });
  const cut = await visitor.ask(question);
  expect(cut.toString("hex")).toBe(question.toString("hex").replace("12340100", "12348380"));
  expect((await ended(site, "5300/udp")).at(-1)).toMatchObject({ outcome: "reset", code: "denied" });
});
