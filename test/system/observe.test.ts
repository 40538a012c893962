import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import type { AddressInfo } from "node:net";
import { AGENT, SYSTEM_NODE } from "../../scripts/tool.ts";
import { TestEdge, testEdge } from "../support/edge.ts";
import { echoServer, exchange, testAgent } from "../support/lan.ts";
import { loopback } from "../support/net.ts";
import { ask, tcpServer, udpServer, UdpVisitor } from "../support/peers.ts";
import { requestFrom } from "../support/request.ts";
import { run, type Run } from "../support/run.ts";
import { listeningAt, testSite } from "../support/site.ts";
import { tempDir } from "../support/temp-dir.ts";
import { ANYWHERE } from "../support/targets.ts";

test("an administrator's token scrapes the edge, and nobody else's", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  await using echo = await echoServer();
  await using _agent = await testAgent(edge);
  await edge.ok("map", "add", "8080/tcp", "lab", echo.address);
  expect(await exchange(edge.host, 8080, "hello")).toBe("hello");
  const url = `${edge.url}/.sallyport/metrics`;
  expect((await fetch(url)).status).toBe(401);
  const token = await edge.ok("token", "admin", "--read-only");
  const scraped = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
  expect(scraped.status).toBe(200);
  const answer = await scraped.text();
  expect(answer).toContain('sallyport_site_online{site="lab"} 1\n');
  expect(answer).toContain('sallyport_mapping_ready{endpoint="8080/tcp",site="lab"} 1\n');
  expect(answer).toContain("sallyport_refused_logins_total 0\n");
  for (const secret of ["wrong", "wrong again"])
    expect((await edge.api("POST", "/login", null, { secret })).ok).toBe(false);
  expect((await edge.api("POST", "/session", null, { secret: "eyJh.no.token" })).status).toBe(401);
  const again = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
  expect(await again.text()).toContain("sallyport_refused_logins_total 3\n");
});

test("a webhook is told of a refused login at once, though nobody looks", async () => {
  await using stack = new AsyncDisposableStack();
  const server = createServer().listen(0, loopback());
  stack.defer(() => void server.close());
  await once(server, "listening");
  const { address, port } = server.address() as AddressInfo;
  const folder = stack.use(await tempDir());
  const edge = stack.use(new TestEdge(loopback(), folder.path, {}, stack.use(new AsyncDisposableStack())));
  await edge.start("--webhook", `http://${address}:${port}/hook`);
  const told = once(server, "request") as Promise<[IncomingMessage, { end: () => void }]>;
  const from = loopback();
  const body = JSON.stringify({ secret: "not the secret of this edge" });
  const refused = await requestFrom(from, "POST", `${edge.url}/.sallyport/api/v1/login`, {}, body);
  expect(refused.status).toBe(401);
  const [request, response] = await told;
  expect(JSON.parse(await text(request))).toMatchObject({ event: "logins-refused", site: null, subject: from });
  response.end();
});

test("what a site costs is counted, and told in billed units", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  await using echo = await echoServer();
  await using _agent = await testAgent(edge);
  await edge.ok("map", "add", "8080/tcp", "lab", echo.address);
  await exchange(edge.host, 8080, "hello");
  for (;;) {
    const [cost] = await edge.json<{ site: string; requests: number; messages: number; dollars: number }[]>("costs");
    if (cost === undefined) continue;
    // Three lanes and a visitor.
    expect(cost.site).toBe("lab");
    expect(cost.requests).toBeGreaterThanOrEqual(4);
    expect(cost.messages).toBeGreaterThanOrEqual(3);
    expect(cost.dollars).toBeGreaterThan(0);
    break;
  }
});

test("a webhook is told that a token is about to end", async () => {
  await using stack = new AsyncDisposableStack();
  const server = createServer().listen(0, loopback());
  stack.defer(() => void server.close());
  await once(server, "listening");
  const { address, port } = server.address() as AddressInfo;
  const folder = stack.use(await tempDir());
  const edge = stack.use(new TestEdge(loopback(), folder.path, {}, stack.use(new AsyncDisposableStack())));
  await edge.start("--webhook", `http://${address}:${port}/hook`);
  await edge.login();
  const told = once(server, "request") as Promise<[IncomingMessage, { end: () => void }]>;
  await edge.ok("site", "add", "lab");
  await edge.ok("token", "agent", "lab", "--local", ...ANYWHERE, "--expires", "3d");
  await edge.ok("map", "add", "lab/ssh", "lab", "10.0.0.5:22", "--expires", "2d");
  const [request, response] = await told;
  const event = JSON.parse(await text(request)) as { event: string; site: string };
  response.end();
  expect(event.site).toBe("lab");
  expect(["token-expires", "mapping-expires"]).toContain(event.event);
});

test("a stream has one name in the logs of both ends; what strangers say is escaped, and no secret is written down", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  await using echo = await echoServer();
  await using agent = await testAgent(edge, "--log-level", "debug");
  await edge.ok("map", "add", "8080/tcp", "lab", echo.address);
  await edge.ok("map", "add", "http://evil.example", "lab", `http://${echo.address}`);
  await edge.ok("map", "add", "lab/ssh", "lab", echo.address);
  const visitor = await edge.ok("token", "visitor", "--endpoint", "lab/ssh");
  const admin = await edge.ok("token", "admin");
  const tokens = join(edge.data, "visitor");
  await writeFile(tokens, visitor, { mode: 0o600 });
  const words = ["connect", "lab/ssh", "--stdio", "--token-file", tokens, "--log", "json"];
  expect(await edge.cli(words, { input: "by token" })).toMatchObject({ code: 0, stdout: "by token" });
  expect(await exchange(edge.host, 8080, "hello")).toBe("hello");
  // Hostile names and bad tokens, where they could be logged.
  const hostile = "\u001b[31mred\nforged=1";
  await requestFrom(edge.host, "GET", `${edge.url}/?${encodeURIComponent(hostile)}`, {
    host: "evil.example",
    authorization: `Bearer ${admin}`,
  });
  await edge.api("POST", "/sites", admin, { name: hostile });
  await edge.api("GET", "/sites", `${visitor}x`);

  let log: { ref?: string; endpoint: string }[] = [];
  while (log.length < 3) log = await edge.json("log");
  for (const endpoint of ["8080/tcp", "lab/ssh"]) {
    const ref = log.find((record) => record.endpoint === endpoint)?.ref ?? "none";
    expect(ref).toMatch(/^[0-9a-f]{8}-\d+$/);
    await agent.run.until(new RegExp(`"stream":"${ref}","endpoint":"${endpoint}"`));
    expect(await edge.ok("log")).toContain(ref);
  }
  const secret = (await readFile(edge.secretFile, "utf8")).trim();
  const own = (await readFile(agent.tokenFile, "utf8")).trim();
  const written = [
    ...[edge.serve, agent.run].map(({ stdout, stderr }) => stdout + stderr),
    await edge.ok("log", "--json"),
    await edge.ok("audit", "--json"),
    await edge.ok("status", "--json"),
    await edge.ok("token", "ls", "--json"),
  ].join("\n");
  for (const token of [visitor, admin, own]) expect(written).not.toContain(token.split(".")[2]);
  expect(written).not.toContain(secret);
  expect(written).not.toContain("\u001b");
  for (const line of [edge.serve, agent.run].flatMap(({ stderr }) => stderr.split("\n").filter(Boolean)))
    expect(() => JSON.parse(line) as unknown).not.toThrow();
});

test("a stream through a client or a gateway has one name in its log, the agent's and the edge's", async () => {
  await using site = await testSite({ agent: ["--log-level", "debug"] });
  await using echo = await tcpServer(loopback());
  await using answers = await udpServer(loopback());
  const token = await site.token("gateway");
  await site.map("lab/ssh", `${echo.host}:${echo.port}`);
  await site.map("9000/udp", `${answers.host}:${answers.port}`, "--idle", "5s");
  // Nobody is there.
  await site.map("9001/tcp", `${loopback()}:9`);
  const host = loopback();
  const client = await site.connect(
    await site.token("visitor", "--endpoint", "lab/ssh"),
    "lab/ssh",
    "--log-level",
    "debug",
  );
  const gateway = await site.gateway(token, "--bind", host, "--log-level", "debug");
  const local = await listeningAt(client, "lab/ssh");
  await listeningAt(gateway, "9000/udp");
  await listeningAt(gateway, "9001/tcp");

  expect(await ask(local.host, local.port, "by token")).toBe("by token");
  await expect(exchange(host, 9001, "refused")).rejects.toThrow("ECONNRESET");
  await using visitor = new UdpVisitor({ host, port: 9000 });
  await visitor.ask("a datagram");

  const name = async (caller: Run, endpoint: string, message: string): Promise<string> => {
    const line = `"msg":"${message}","stream":"([0-9a-f]{8}-\\d+)","endpoint":"${endpoint}"`;
    const [, ref = ""] = await caller.until(new RegExp(line));
    await site.agent.until(new RegExp(`"msg":"${message}","stream":"${ref}","endpoint":"${endpoint}"`));
    return ref;
  };
  const names = {
    "lab/ssh": await name(client, "lab/ssh", "stream ended"),
    "9001/tcp": await name(gateway, "9001/tcp", "stream ended early"),
    "9000/udp": await name(gateway, "9000/udp", "stream ended"),
  };
  const recorded = async () => {
    const log = await site.edge.json<{ ref?: string; endpoint: string }[]>("log");
    return Object.fromEntries(log.map(({ endpoint, ref }) => [endpoint, ref]));
  };
  await expect.poll(recorded, { timeout: 60_000 }).toEqual(names);
});

test("status warns of an agent's token that ends within a month, apart from what it answers", async () => {
  await using edge = await testEdge();
  await edge.ok("site", "add", "lab");
  const file = join(edge.data, "token");
  await writeFile(file, await edge.ok("token", "agent", "lab", "--local", ...ANYWHERE, "--expires", "20d"), {
    mode: 0o600,
  });
  await using agent = run(SYSTEM_NODE, [AGENT, "--token-file", file, "--log", "json"]);
  await agent.until(/"msg":"ready"/);
  const { code, stdout, stderr } = await edge.cli(["status", "--json"]);
  const warning = expect.stringMatching(/^The token of agent:lab:\w+ at lab expires 20/) as string;
  expect([code, JSON.parse(stdout)]).toEqual([0, expect.objectContaining({ warnings: [warning] })]);
  expect(stderr).toMatch(/^warning: The token of agent:lab:\w+ at lab expires /m);
});

test("the edge says when it is ready", async () => {
  await using edge = await testEdge();
  const ready = await fetch(`${edge.url}/.sallyport/readyz`);
  expect([ready.status, await ready.json()]).toEqual([200, { ok: true, loggedIn: true }]);
});
