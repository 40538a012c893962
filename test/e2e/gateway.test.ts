import { connect as dial } from "node:net";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { AGENT, SYSTEM_NODE } from "../../scripts/tool.ts";
import type { StatusView } from "../../shared/rule/api.ts";
import { sha256 } from "../support/bytes.ts";
import { certificate } from "../support/certificates.ts";
import { TestEdge } from "../support/edge.ts";
import { loopback } from "../support/net.ts";
import { openFiles } from "../support/process.ts";
import { ask, tcpServer, udpServer, UdpVisitor } from "../support/peers.ts";
import { run } from "../support/run.ts";
import { testSite } from "../support/site.ts";
import { tempDir } from "../support/temp-dir.ts";
import { ANYWHERE } from "../support/targets.ts";

test("ports follow the mappings live: opened when mapped, closed when not", async () => {
  await using site = await testSite();
  await using echo = await tcpServer(loopback());
  const host = loopback();
  const gateway = await site.gateway(await site.token("gateway"), "--bind", host);
  await expect(ask(host, 8090, "x")).rejects.toThrow("ECONNREFUSED");
  await site.map("8090/tcp", `${echo.host}:${echo.port}`);
  await gateway.until(/"msg":"listening","endpoint":"8090\/tcp"/);
  expect(await ask(host, 8090, "through the gateway")).toBe("through the gateway");
  const open = dial(8090, host);
  open.write("still here?");
  await once(open, "data");
  const cut = once(open, "error");
  await site.edge.ok("map", "rm", "8090/tcp");
  await cut;
  await gateway.until(/"msg":"closed","endpoint":"8090\/tcp"/);
  await expect(ask(host, 8090, "x")).rejects.toThrow("ECONNREFUSED");
});

test("a range is port for port, TCP and UDP", async () => {
  await using site = await testSite();
  const target = loopback();
  const said = async (port: number) => [
    await tcpServer(target, port, (socket) => void socket.end(`tcp ${port}`)),
    await udpServer(target, port, (socket) => {
      socket.on("message", (_, peer) => socket.send(`udp ${port}`, peer.port, peer.address));
    }),
  ];
  await using servers = new AsyncDisposableStack();
  for (const port of [30_000, 30_007, 30_019]) for (const each of await said(port)) servers.use(each);
  const token = await site.token("gateway", "--endpoint", "10000-10019/tcp+udp");
  await site.map("10000-10019/tcp+udp", `${target}:30000`);
  const host = loopback();
  await site.gateway(token, "--bind", host);
  for (const port of [10_000, 10_007, 10_019]) {
    expect(await ask(host, port, "")).toBe(`tcp ${port + 20_000}`);
    await using visitor = new UdpVisitor({ host, port });
    expect((await visitor.ask("?")).toString()).toBe(`udp ${port + 20_000}`);
  }
});

test("targets and rules see the visitor's own address", async () => {
  await using site = await testSite();
  await using target = await tcpServer(loopback());
  const host = loopback();
  const [friend, stranger] = [loopback(), loopback()];
  const token = await site.token("gateway");
  await site.map("8080/tcp", `${target.host}:${target.port}`, "--allow-from", `${friend}/32`, "--proxy-protocol", "v1");
  await site.gateway(token, "--bind", host);
  const echoed = await ask(host, 8080, "hello", friend);
  expect(echoed).toMatch(new RegExp(`^PROXY TCP4 ${friend} 127[.\\d]+ \\d+ 8080\r\nhello$`));
  await expect(ask(host, 8080, "hello", stranger)).rejects.toThrow("ECONNRESET");
  const log = await site.edge.ok("log", "--json");
  expect(log).toContain(`is not on the allow list`);
});

test("a balancer in front names the visitor", async () => {
  await using site = await testSite();
  await using echo = await tcpServer(loopback());
  const token = await site.token("gateway");
  await site.map("8080/tcp", `${echo.host}:${echo.port}`, "--allow-from", "203.0.113.7/32");
  const host = loopback();
  const balancer = loopback();
  await site.gateway(token, "--bind", host, "--proxy-protocol-from", `${balancer}/32`);
  expect(await ask(host, 8080, "PROXY TCP4 203.0.113.7 198.51.100.1 5000 8080\r\nhello", balancer)).toBe("hello");
  await expect(ask(host, 8080, "PROXY TCP4 203.0.113.8 198.51.100.1 5000 8080\r\nhello", balancer)).rejects.toThrow(
    "ECONNRESET",
  );
  await expect(ask(host, 8080, "no header at all\r\n", balancer)).rejects.toThrow("ECONNRESET");
  // Nobody else is believed.
  await expect(ask(host, 8080, "PROXY TCP4 203.0.113.7 198.51.100.1 5000 8080\r\nhello", loopback())).rejects.toThrow(
    "ECONNRESET",
  );
});

test("serve opens its --ports and --udp when a mapping wants them, without a restart, and tells Prometheus", async () => {
  const metrics = ["--metrics", `${loopback()}:0`];
  await using site = await testSite({ tcp: "8080" }, "--ports", "8091-8099", "--udp", "5060", ...metrics);
  await using tcp = await tcpServer(loopback());
  await using udp = await udpServer(loopback());
  const { host } = site.edge;
  await site.map("8091/tcp", `${tcp.host}:${tcp.port}`);
  await site.map("5060/udp", `${udp.host}:${udp.port}`);
  await site.edge.serve.until(/"msg":"gateway: listening","endpoint":"5060\/udp"/);
  const text = "one port more ".repeat(100_000);
  expect(sha256(await ask(host, 8091, text))).toBe(sha256(text));
  await using visitor = new UdpVisitor({ host, port: 5060 });
  expect((await visitor.ask("REGISTER")).toString()).toBe("REGISTER");
  const [, url = ""] = await site.edge.serve.until(/"msg":"gateway: metrics","url":"([^"]+)"/);
  const answer = await (await fetch(url)).text();
  expect(answer).toContain('sallyport_gateway_connected{site="lab"} 1\n');
  expect(answer).toContain(`sallyport_gateway_bytes_total{kind="tcp",direction="in"} ${text.length}\n`);
  expect(answer).toContain('sallyport_gateway_streams_open{kind="udp"} 1\n');
  const refused = await site.edge.cli(["map", "add", "5061/udp", "lab", "127.0.0.1:9"]);
  expect(refused).toMatchObject({ code: 3, stderr: expect.stringMatching(/udp-unserved[^]*--udp 5060-5061/) });
});

test("an unproven peer is sent no more than three times what it sent; one that has answered, all", async () => {
  await using site = await testSite();
  await using target = await udpServer(loopback(), 0, (socket) => {
    socket.on("message", (bytes, peer) => {
      for (let index = 0; index < 10; index += 1)
        socket.send(Buffer.alloc(bytes.byteLength, index), peer.port, peer.address);
    });
  });
  const token = await site.token("gateway");
  await site.map("9000/udp", `${target.host}:${target.port}`);
  await site.map("9001/udp", `${target.host}:${target.port}`, "--reflector-ok");
  const host = loopback();
  await site.gateway(token, "--bind", host);
  await using open = new UdpVisitor({ host, port: 9001 });
  open.send(Buffer.alloc(100));
  expect(await open.count(10)).toHaveLength(10);
  await using guarded = new UdpVisitor({ host, port: 9000 });
  guarded.send(Buffer.alloc(100));
  await guarded.count(3);
  guarded.send(Buffer.alloc(100));
  // Three before it answered, all ten after.
  expect((await guarded.count(13)).length).toBe(13);
});

test("a target that says it is not there ends the flow quietly; when it is there, the next datagram reaches it", async () => {
  await using site = await testSite();
  const target = loopback();
  const token = await site.token("gateway");
  await site.map("9000/udp", `${target}:7999`);
  const host = loopback();
  const gateway = await site.gateway(token, "--bind", host);
  await using visitor = new UdpVisitor({ host, port: 9000 });
  visitor.send("anybody?");
  await site.agent.until(/"msg":"stream ended early".*"code":"target-refused"/);
  await using _echo = await udpServer(target, 7999);
  expect((await visitor.ask("now?", (answer) => answer.toString() === "now?")).toString()).toBe("now?");
  // No answer, no warning: UDP has no way to say so, and closed ports are no news.
  expect(visitor.received.map(String).filter((answer) => answer === "anybody?")).toEqual([]);
  expect(gateway.stderr + site.agent.stderr).not.toMatch(/"level":"(?:warn|error)"/);
});

test("serve's own gateway works beside TLS", async () => {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempDir());
  const edge = stack.use(new TestEdge(loopback(), folder.path, {}, stack.use(new AsyncDisposableStack())));
  const { cert, key } = await certificate(folder.path, edge.host, 1);
  await edge.start("--tls-cert", cert, "--tls-key", key, "--ports", "8091", "--udp", "5060");
  const env = { NODE_EXTRA_CA_CERTS: cert };
  const said = async (...words: string[]): Promise<string> => {
    const { code, stdout, stderr } = await edge.cli(words, { env });
    expect({ words, code, stderr }).toMatchObject({ code: 0 });
    return stdout.trimEnd();
  };
  const url = edge.url.replace("http:", "https:");
  await said("login", url, "--secret-file", edge.secretFile);
  await said("site", "add", "lab");
  const file = join(folder.path, "agent-token");
  await writeFile(file, await said("token", "agent", "lab", "--local", ...ANYWHERE), { mode: 0o600 });
  const agent = stack.use(run(SYSTEM_NODE, [AGENT, "--token-file", file, "--log", "json"], { env }));
  await agent.until(/"msg":"ready"/);
  const [tcp, udp] = [stack.use(await tcpServer(loopback())), stack.use(await udpServer(loopback()))];
  await said("map", "add", "8091/tcp", "lab", `${tcp.host}:${tcp.port}`);
  await said("map", "add", "5060/udp", "lab", `${udp.host}:${udp.port}`);
  await edge.serve.until(/"msg":"gateway: listening","endpoint":"8091\/tcp"/);
  await edge.serve.until(/"msg":"gateway: listening","endpoint":"5060\/udp"/);
  expect(await ask(edge.host, 8091, "beside TLS")).toBe("beside TLS");
  await using visitor = new UdpVisitor({ host: edge.host, port: 5060 });
  expect((await visitor.ask("REGISTER")).toString()).toBe("REGISTER");
});

test("a gateway tells Prometheus what it carries and drops, and the edge who is connected", async () => {
  await using site = await testSite();
  await using echo = await udpServer(loopback());
  const token = await site.token("gateway");
  await site.map("9000/udp", `${echo.host}:${echo.port}`);
  await site.map("9001/udp", `${echo.host}:${echo.port}`, "--allow-from", "192.0.2.1/32");
  const host = loopback();
  const gateway = await site.gateway(token, "--bind", host, "--metrics", `${host}:0`);
  const [, url = ""] = await gateway.until(/"msg":"metrics","url":"([^"]+)"/);
  await using visitor = new UdpVisitor({ host, port: 9000 });
  await visitor.ask("12345");
  await using denied = new UdpVisitor({ host, port: 9001 });
  denied.send("first");
  await gateway.until(/"msg":"stream ended early".*"endpoint":"9001\/udp"/);
  denied.send("second");
  const scraped = async (): Promise<string> => (await fetch(url)).text();
  await expect.poll(scraped).toContain('sallyport_gateway_datagrams_dropped_total{reason="refused"} 1\n');
  const answer = await scraped();
  expect(answer).toContain('sallyport_gateway_connected{site="lab"} 1\n');
  expect(answer).toContain('sallyport_gateway_ports{transport="udp"} 2\n');
  expect(answer).toContain('sallyport_gateway_streams_open{kind="udp"} 1\n');
  expect(answer).toContain('sallyport_gateway_failures_total{code="denied"} 1\n');
  expect(Number(/bytes_total\{kind="udp",direction="out"\} (\d+)/.exec(answer)?.[1])).toBeGreaterThanOrEqual(5);
  expect((await fetch(url.replace("metrics", "ready"))).status).toBe(200);
  const { sites } = await site.edge.json<StatusView>("status");
  expect(sites).toMatchObject([{ droppedDatagrams: 0, callers: [{ kind: "gateway", address: expect.any(String) }] }]);
});

test("flows end when they have been idle, and their sockets with them", async () => {
  await using site = await testSite();
  const sources = new Set<number>();
  await using echo = await udpServer(loopback(), 0, (socket) => {
    socket.on("message", (bytes, peer) => {
      sources.add(peer.port);
      socket.send(bytes, peer.port, peer.address);
    });
  });
  const token = await site.token("gateway");
  await site.map("9000/udp", `${echo.host}:${echo.port}`, "--idle", "5s");
  const host = loopback();
  await site.gateway(token, "--bind", host);
  await using first = new UdpVisitor({ host, port: 9000 });
  await first.ask("ready?");
  const before = await openFiles(site.agent.pid);
  await using visitors = new AsyncDisposableStack();
  const some = Array.from({ length: 300 }, () => visitors.use(new UdpVisitor({ host, port: 9000 })));
  await Promise.all(some.map((visitor) => visitor.ask("x")));
  // Each had a socket of its own.
  expect(sources.size).toBeGreaterThanOrEqual(301);
  // Its other lanes may have come since.
  while ((await openFiles(site.agent.pid)) > before + 5) await first.ask("still here");
  // What was said again meanwhile may be answered late.
  await first.ask("again", (answer) => answer.toString() === "again");
});
