/** Agents, clients and commands behind real proxies: their streams carry bytes both ways, whatever becomes of the proxy. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { AGENT, SYSTEM_NODE } from "../../scripts/tool.ts";
import { bothWays, expected } from "../support/both-ways.ts";
import { corporation, REAL_URL, type Corporation } from "../support/corporate.ts";
import { needs } from "../support/debian.ts";
import { ask, tcpServer } from "../support/peers.ts";
import { loopback } from "../support/net.ts";
import { mitmproxy, needsMounts, PASSWORD, seeing, squid, tinyproxy, type RealProxy } from "../support/proxies.ts";
import { listeningAt } from "../support/site.ts";
import type { Run } from "../support/run.ts";

const MIB = 1024 * 1024;
const PORT = 8787;

test("squid with Basic authentication: all of it goes by the proxy, and streams outlive its restart", async (context) => {
  await needs(context, "squid");
  await using stack = new AsyncDisposableStack();
  const corp = stack.use(await corporation(REAL_URL, "--tcp", "8080"));
  const proxy = await squid(corp.folder, { "edge.test": corp.edge.host }, PORT);
  const first = stack.use(await proxy.start());
  const proxyFile = await corp.file("proxy", proxy.url);
  const how = [...corp.ca, "--proxy-file", proxyFile];
  const tokenFile = await corp.site("--proxy-file", proxyFile);
  const agent = corp.agent(["--token-file", tokenFile, ...how]);
  await agent.until(/"msg":"ready"/);
  await carries(stack, { corp, proxy, first, agent });
  expect(agent.stderr).not.toContain(PASSWORD);

  const wrong = await corp.file("wrong", proxy.url.replace(/:[^:@]+@/, ":wrong@"));
  const login = ["login", REAL_URL, "--secret-file", corp.edge.secretFile, ...corp.ca];
  expect(await corp.cli([...login, "--proxy-file", wrong])).toMatchObject({
    code: 5,
    stderr: expect.stringMatching(/error\[proxy-login\]: .* does not accept this user and password \(407\)/),
  });
  expect(await corp.cli([...login, "--proxy", proxy.url.replace(/\/\/.*@/, "//")])).toMatchObject({
    code: 5,
    stderr: expect.stringContaining("wants a user and a password (407)"),
  });
  const elsewhere = login.map((word) => word.replace(REAL_URL, "https://edge.test:9"));
  expect(await corp.cli([...elsewhere, "--proxy-file", proxyFile])).toMatchObject({
    code: 5,
    stderr: expect.stringMatching(
      /error\[proxy-denied\]: .* does not permit a connection to edge\.test:9 \(403 Forbidden\)/,
    ),
  });
  const nowhere = login.map((word) => word.replace("edge.test", "nowhere.test"));
  expect(await corp.cli([...nowhere, "--proxy-file", proxyFile])).toMatchObject({
    code: 5,
    stderr: expect.stringMatching(/error\[proxy-upstream\]: .* could not reach nowhere\.test:8787 \(50\d /),
  });
});

test("tinyproxy, which answers in HTTP/1.0 and cuts what is idle: lanes stay up, and streams outlive its restart", async (context) => {
  await needs(context, "tinyproxy");
  await needsMounts(context);
  await using stack = new AsyncDisposableStack();
  const corp = stack.use(await corporation(REAL_URL, "--tcp", "8080"));
  const idle = 30;
  const proxy = await tinyproxy(corp.folder, { "edge.test": corp.edge.host }, idle);
  const first = stack.use(await proxy.start());
  const proxyFile = await corp.file("proxy", proxy.url);
  const tokenFile = await corp.site("--proxy-file", proxyFile);
  const words = ["--token-file", tokenFile, ...corp.ca, "--log-level", "debug"];
  const agent = corp.agent(words, { HTTPS_PROXY: proxy.url });
  await agent.until(/"msg":"ready"/);
  // Nothing but pings for longer than the proxy has patience.
  await pause(2.5 * idle * 1000);
  expect(agent.stderr).not.toMatch(/a lane was lost|not connected/);
  await carries(stack, { corp, proxy, first, agent });
});

test("mitmproxy inspects TLS: it is named, trusted by --ca or by the machine's own store, and lanes pass it", async (context) => {
  await needs(context, "mitmproxy", "ca-certificates");
  await needsMounts(context);
  await using stack = new AsyncDisposableStack();
  const corp = stack.use(await corporation(REAL_URL, "--tcp", "8080"));
  const proxy = await mitmproxy(corp.folder, { "edge.test": corp.edge.host }, corp.authority.file);
  const first = stack.use(await proxy.start());
  const ca = proxy.ca ?? "";
  while (!existsSync(ca)) await pause(50);
  const tokenFile = await corp.site("--proxy", proxy.url, "--ca", ca);
  const words = ["--token-file", tokenFile, "--proxy", proxy.url];
  const stranger = corp.agent(words);
  await stranger.until(
    /"msg":"not connected","reason":"the certificate of edge\.test:8787 is issued by \\"mitmproxy\\" of \\"mitmproxy\\", which is not trusted here[^"]*","fix":"[^"]*--ca FILE/,
  );
  stranger.kill("SIGTERM");
  await stranger.ended;

  const agent = corp.agent([...words, "--ca", ca]);
  await agent.until(/"msg":"ready"/);
  await carries(stack, { corp, proxy, first, agent });
  agent.kill("SIGTERM");
  await agent.ended;

  // As an administrator rolls it out: the machine trusts it, and nobody has to say so.
  const store = await corp.file("store.crt", await readFile(ca, "utf8"));
  const command = [SYSTEM_NODE, AGENT, ...words, "--log", "json"];
  const trusting = stack.use(seeing(store, "/etc/ssl/certs/ca-certificates.crt", command, corp.environment));
  await trusting.until(/"msg":"ready"/);
  await carriesOnce(corp);
});

type Scene = { corp: Corporation; proxy: RealProxy; first: Run; agent: Run };

/** Bytes both ways over a port of the edge while the proxy is started anew, in the caller's scope, and through a client. */
async function carries(stack: AsyncDisposableStack, { corp, proxy, first, agent }: Scene): Promise<void> {
  const [up, down] = [16 * MIB, 16 * MIB];
  const halfway = Promise.withResolvers<void>();
  const target = stack.use(await bothWays(up, down, (bytes) => bytes > (up + down) / 2 && halfway.resolve()));
  await corp.edge.ok("map", "add", "8080/tcp", "lab", target.target);
  const visited = target.visit(corp.edge.host, 8080);
  await halfway.promise;
  first.kill("SIGKILL");
  await first.ended;
  stack.use(await proxy.start());
  expect(await visited).toEqual(await expected(up, down));
  expect(agent.stderr).toMatch(/"msg":"connected"(?:.|\n)*"msg":"connected"/);

  await corp.edge.ok("map", "rm", "8080/tcp");
  const again = stack.use(await bothWays(MIB, MIB, () => {}));
  await corp.edge.ok("map", "add", "8080/tcp", "lab", again.target);
  const visitor = await corp.file("visitor", await corp.edge.ok("token", "visitor", "--endpoint", "8080/tcp"));
  const how = ["--ca", proxy.ca ?? corp.authority.file, "--proxy-file", await corp.file("url", proxy.url)];
  const client = corp.start(["connect", `8080/tcp=${loopback()}:18080`, "--token-file", visitor, ...how]);
  const { host, port } = await listeningAt(client, "8080/tcp");
  expect(await again.visit(host, port)).toEqual(await expected(MIB, MIB));
  await corp.edge.ok("map", "rm", "8080/tcp");
}

async function carriesOnce(corp: Corporation): Promise<void> {
  await using echo = await tcpServer(loopback());
  await corp.edge.ok("map", "add", "8080/tcp", "lab", `${echo.host}:${echo.port}`);
  expect(await ask(corp.edge.host, 8080, "hello")).toBe("hello");
}
