import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { AGENT, SYSTEM_NODE } from "../../scripts/tool.ts";
import type { MappingAnswer, StatusView, TestAnswer } from "../../shared/rule/api.ts";
import { heldFlow, heldTcp } from "../support/held.ts";
import { askHttp, httpOrigin } from "../support/http.ts";
import { loopback } from "../support/net.ts";
import { tcpServer, udpServer } from "../support/peers.ts";
import { run } from "../support/run.ts";
import { listeningAt, testSite } from "../support/site.ts";

/** Visitors one after the other: were agents chosen by their streams alone, some would get the one that may not. */
const VISITORS = 6;

test("an agent whose token does not name the target is chosen by no door, and asked by no test", async () => {
  await using site = await testSite({ tcp: "8081-8082" });
  await using echo = await tcpServer(loopback());
  await using datagrams = await udpServer(loopback());
  await using origin = await httpOrigin((request, response) => {
    let body = "";
    request.on("data", (chunk) => (body += String(chunk))).on("end", () => response.end(`heard ${body}`));
  });
  const { edge } = site;
  const file = join(edge.data, "narrow-token");
  const narrowToken = await edge.ok("token", "agent", "lab", "--local", "--target", "127.23.9.9:1");
  await writeFile(file, narrowToken, { mode: 0o600 });
  await using narrow = run(SYSTEM_NODE, [AGENT, "--token-file", file, "--log", "json", "--log-level", "debug"]);
  await narrow.until(/"msg":"ready"/);
  const { sites } = await edge.json<StatusView>("status");
  expect(sites[0]?.agents).toHaveLength(2);

  await site.map("8081/tcp", `${echo.host}:${echo.port}`);
  await site.map("lab/echo", `${echo.host}:${echo.port}`);
  await site.map("http://app.localhost:8787", origin.url);
  const gatewayHost = loopback();
  const gateway = await site.gateway(await site.token("gateway"), "--bind", gatewayHost);
  const flow = { endpoint: "5061/udp", site: "lab", target: `${datagrams.host}:${datagrams.port}` };
  await edge.ask("POST", "/mappings", flow);
  await gateway.until(/"msg":"listening","endpoint":"5061\/udp"/);
  const client = await site.connect(await site.token("visitor", "--endpoint", "lab/*"), "lab/echo");
  const local = await listeningAt(client, "lab/echo");
  for (let visitor = 0; visitor < VISITORS; visitor += 1) {
    const held = [
      await heldTcp({ host: edge.host, port: 8081 }),
      await heldTcp(local),
      await heldFlow({ host: gatewayHost, port: 5061 }),
    ];
    expect(await answerOf(edge.url, "app.localhost")).toBe("200 heard this");
    for (const each of held) each.close();
    const { hops } = await edge.ask<TestAnswer>("GET", "/test?endpoint=8081/tcp");
    expect(hops.find(({ hop }) => hop === "target")).toMatchObject({ outcome: "ok" });
  }

  expect(narrow.stderr).not.toMatch(/"target":"127\.(?!23\.9\.9)/);

  // No agent dials a public address without being told: the mapping is said to be of no use, when it is made and afterwards.
  const rule = { endpoint: "8082/tcp", site: "lab", target: "192.0.2.7:80" };
  const { warnings } = await edge.ask<MappingAnswer>("POST", "/mappings", rule);
  expect(warnings.join()).toContain("no agent of this site dials 192.0.2.7:80");
  const { mappings } = await edge.json<StatusView>("status");
  const states = Object.fromEntries(mappings.map(({ endpoint, state }) => [endpoint, state]));
  expect(states).toMatchObject({ "8081/tcp": "ready", "8082/tcp": "unreachable" });
});

test("what a name leads to is for agents to say: when the first refuses, the next one serves the visitor", async () => {
  await using site = await testSite({ tcp: "8081" });
  await using echo = await tcpServer("127.0.0.1");
  await using web = await tcpServer("127.0.0.1", 0, (socket) => {
    let heard = "";
    socket.on("data", (bytes) => {
      heard += bytes.toString("latin1");
      if (heard.endsWith("this")) socket.end("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nheard this");
    });
  });
  const { edge } = site;
  const file = join(edge.data, "narrow-token");
  const token = await edge.ok("token", "agent", "lab", "--local", "--target", "127.23.9.9:1");
  await writeFile(file, token, { mode: 0o600 });
  await using narrow = run(SYSTEM_NODE, [AGENT, "--token-file", file, "--log", "json"]);
  await narrow.until(/"msg":"ready"/);
  await site.map("8081/tcp", `localhost:${echo.port}`);
  await site.map("http://app.localhost:8787", `http://localhost:${web.port}`);
  for (let visitor = 0; visitor < VISITORS; visitor += 1) {
    const held = await heldTcp({ host: edge.host, port: 8081 });
    expect(await answerOf(edge.url, "app.localhost")).toBe("200 heard this");
    held.close();
    const { hops } = await edge.ask<TestAnswer>("GET", "/test?endpoint=8081/tcp");
    expect(hops.find(({ hop }) => hop === "target")).toMatchObject({ outcome: "ok" });
  }
  site.agent.kill("SIGTERM");
  await site.agent.ended;
  expect(await answerOf(edge.url, "app.localhost")).toMatch(/^50[0-9] /);
});

async function answerOf(url: string, host: string): Promise<string> {
  const { status, body } = await askHttp(url, host, { method: "POST", body: "this" });
  return `${status} ${body.toString()}`;
}
