import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import type { AddressInfo } from "node:net";
import { TestEdge, testEdge } from "../support/edge.ts";
import { echoServer, exchange, testAgent } from "../support/lan.ts";
import { loopback } from "../support/net.ts";
import { tempDir } from "../support/temp-dir.ts";

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
  await edge.ok("token", "agent", "lab", "--local", "--expires", "3d");
  await edge.ok("map", "add", "lab/ssh", "lab", "10.0.0.5:22", "--expires", "2d");
  const [request, response] = await told;
  const event = JSON.parse(await text(request)) as { event: string; site: string };
  response.end();
  expect(event.site).toBe("lab");
  expect(["token-expires", "mapping-expires"]).toContain(event.event);
});
