import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { AGENT, SALLYPORT, SYSTEM_NODE } from "../../scripts/tool.ts";
import type { ConnectionView } from "../../shared/rule/api.ts";
import { testEdge, type TestEdge } from "../support/edge.ts";
import { link } from "../support/link.ts";
import { loopback } from "../support/net.ts";
import { tcpServer } from "../support/peers.ts";
import { execute, run, type Run } from "../support/run.ts";
import { listeningAt, testSite } from "../support/site.ts";
import { ANYWHERE } from "../support/targets.ts";

// How long streams wait for those who carried them, and what their ports do after that.

test("after the grace period a port closes, or hangs, as its mapping says; both are logged as lost", async () => {
  await using edge = await testEdge({ tcp: "8080,8081" }, "--grace", "2s");
  await using echo = await tcpServer(loopback());
  await using path = await link(edge.url);
  await using agent = await agentThrough(edge, path.url);
  await edge.ok("map", "add", "8080/tcp", "lab", `${echo.host}:${echo.port}`);
  await edge.ok("map", "add", "8081/tcp", "lab", `${echo.host}:${echo.port}`, "--on-loss", "hang");
  const closing = await visit(edge.host, 8080);
  const hanging = await visit(edge.host, 8081);
  const closed = once(closing, "end");
  let ended = false;
  hanging.on("end", () => (ended = true));
  path.blackhole();
  path.cut();
  await closed;
  // By then the other one has met its end, too; a question to its relay comes after whatever it would have said.
  await edge.json("status");
  expect(ended).toBe(false);
  hanging.destroy();
  closing.destroy();
  await expect
    .poll(
      async () => (await edge.json<ConnectionView[]>("log")).map((each) => `${each.endpoint} ${each.outcome}`).sort(),
      {
        timeout: 60_000,
      },
    )
    .toEqual(["8080/tcp lost", "8081/tcp lost"]);
  expect(agent.stderr).toMatch(/not connected/);
});

test("agents and clients wait as long as the edge says, and not at all if it says so", async () => {
  await using site = await testSite({}, "--grace", "0");
  await using echo = await tcpServer(loopback());
  await site.map("lab/echo", `${echo.host}:${echo.port}`);
  await using path = await link(site.edge.url);
  const token = await site.token("visitor", "--endpoint", "lab/*");
  const client = await site.connect(token, "lab/echo", "--edge", path.url);
  const at = await listeningAt(client, "lab/echo");
  const visitor = await visit(at.host, at.port);
  // What is not kept is broken off, so that the visitor sees that bytes are missing.
  const broken = once(visitor, "error");
  path.cut();
  expect(await broken).toEqual([expect.objectContaining({ code: "ECONNRESET" })]);
});

test("a grace period beyond ten minutes is refused, with what may be said", async () => {
  const { code, stderr } = await execute(SYSTEM_NODE, [SALLYPORT, "serve", "--data", "nowhere", "--grace", "11m"]);
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining("--grace 0 to 10m") as string });
});

async function agentThrough(edge: TestEdge, url: string): Promise<Run> {
  await edge.ok("site", "add", "lab");
  const file = join(edge.data, "token");
  await writeFile(file, await edge.ok("token", "agent", "lab", "--local", ...ANYWHERE), { mode: 0o600 });
  const agent = run(SYSTEM_NODE, [AGENT, "--token-file", file, "--edge", url, "--log", "json"]);
  await agent.until(/"msg":"ready"/);
  return agent;
}

/** A visitor who has heard an echo. */
async function visit(host: string, port: number): Promise<Socket> {
  const socket = connect({ host, port, allowHalfOpen: true });
  socket.on("error", () => undefined);
  socket.write("here");
  await once(socket, "data");
  return socket;
}
