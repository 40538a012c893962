import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { connect, createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { decodeJwt } from "jose";
import { expect, test } from "vitest";
import { AGENT, SYSTEM_NODE } from "../../scripts/tool.ts";
import type { ConnectionView, StatusView } from "../../shared/rule/api.ts";
import { testEdge, type TestEdge } from "../support/edge.ts";
import { run } from "../support/run.ts";
import { ANYWHERE } from "../support/targets.ts";

test("a mapping on a held port works at once, and ends at once when it is removed", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  await using echo = await echoServer();
  await using _agent = await agentOf(edge);
  await edge.ok("map", "add", "8080/tcp", "lab", echo.address);

  await using visitor = await visit(edge);
  expect(await visitor.says("hello")).toBe("hello");
  expect((await edge.json<StatusView>("status")).mappings).toMatchObject([{ state: "ready", streams: 1 }]);

  await edge.ok("map", "rm", "8080/tcp");
  await visitor.gone;
  expect(await logUntil(edge, "cut")).toMatchObject({
    endpoint: "8080/tcp",
    target: echo.address,
    bytesIn: 5,
    bytesOut: 5,
  });
  await using late = await visit(edge);
  await late.gone;
  expect(await logUntil(edge, "refused")).toMatchObject({ endpoint: "8080/tcp", mapping: null, code: "no-mapping" });
});

test("a revoked agent token puts its agent out, and keeps it out", async () => {
  await using edge = await testEdge();
  await using agent = await agentOf(edge);
  await edge.ok("token", "revoke", agent.jti);
  expect(await agent.ended).toMatchObject({ code: 4 });
  expect((await edge.json<StatusView>("status")).sites).toMatchObject([{ state: "offline", agents: [] }]);
  await using again = run(SYSTEM_NODE, [AGENT, "--token-file", agent.tokenFile, "--log", "json"]);
  expect(await again.ended).toMatchObject({ code: 4 });
});

// Fails as long as the relay gives the streams of a revoked agent the grace period that is meant for lost ones.
test("a revoked agent token ends what is open through its agent", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  await using echo = await echoServer();
  await using agent = await agentOf(edge);
  await edge.ok("map", "add", "8080/tcp", "lab", echo.address);
  await using visitor = await visit(edge);
  expect(await visitor.says("hello")).toBe("hello");
  await edge.ok("token", "revoke", agent.jti);
  // A hung test would leave its processes behind, so this one gives up: far later than the two seconds it may take.
  await Promise.race([
    visitor.gone,
    once(AbortSignal.timeout(10_000), "abort").then(() => Promise.reject(new Error("still there"))),
  ]);
});

test("why a visitor was refused is said per mapping", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  await edge.ok("site", "add", "lab");
  await edge.ok("map", "add", "8080/tcp", "lab", "10.0.0.5:80", "--deny-from", "127.0.0.0/8");
  await using visitor = await visit(edge);
  await visitor.gone;
  await logUntil(edge, "refused");
  const { mappings } = await edge.json<StatusView>("status");
  expect(mappings).toMatchObject([
    { endpoint: "8080/tcp", lastRefusal: { code: "denied", reason: expect.stringContaining("deny list") } },
  ]);
});

/** A running agent of the site `lab`, which is made for it. */
async function agentOf(edge: TestEdge) {
  await edge.ok("site", "add", "lab");
  const token = await edge.ok("token", "agent", "lab", "--local", ...ANYWHERE);
  const tokenFile = join(edge.data, "token");
  await writeFile(tokenFile, token, { mode: 0o600 });
  const agent = run(SYSTEM_NODE, [AGENT, "--token-file", tokenFile, "--log", "json"]);
  await agent.until(/"msg":"ready"/);
  return {
    tokenFile,
    jti: String(decodeJwt(token).jti),
    ended: agent.ended,
    [Symbol.asyncDispose]: () => agent[Symbol.asyncDispose](),
  };
}

async function echoServer() {
  const server = createServer((socket) => socket.on("error", () => undefined).pipe(socket)).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return { address: `127.0.0.1:${port}`, [Symbol.asyncDispose]: async () => void server.close() };
}

/** A visitor at the edge's port 8080. `gone` is fulfilled when it has been sent away. */
async function visit(edge: TestEdge) {
  const socket = connect(8080, edge.host);
  // A reset is an ending like any other here.
  socket.on("error", () => undefined);
  const gone = once(socket, "close");
  await once(socket, "connect");
  return {
    gone,
    says: async (text: string) => {
      socket.write(text);
      const [answer] = (await once(socket, "data")) as [Buffer];
      return answer.toString();
    },
    [Symbol.asyncDispose]: async () => void socket.destroy(),
  };
}

/** The last connection of this outcome: the edge writes it down a moment after the visitor has seen its end. */
async function logUntil(edge: TestEdge, outcome: ConnectionView["outcome"]): Promise<ConnectionView> {
  for (;;) {
    const found = (await edge.json<ConnectionView[]>("log")).findLast((each) => each.outcome === outcome);
    if (found !== undefined) return found;
  }
}
