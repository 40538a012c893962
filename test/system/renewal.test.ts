import { once } from "node:events";
import { readFile, stat, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { decodeJwt } from "jose";
import { expect, test } from "vitest";
import { AGENT, SALLYPORT, SYSTEM_NODE } from "../../scripts/tool.ts";
import type { StatusView, TokenView } from "../../shared/rule/api.ts";
import { testEdge, type TestEdge } from "../support/edge.ts";
import { loopback } from "../support/net.ts";
import { ask, tcpServer } from "../support/peers.ts";
import { run, type Run } from "../support/run.ts";
import { ANYWHERE } from "../support/targets.ts";

test("an agent renews its token in the file, and serves on under the new one", async () => {
  await using edge = await labEdge("8080");
  await using echo = await tcpServer(loopback());
  await edge.ok("map", "add", "8080/tcp", "lab", `${echo.host}:${echo.port}`);
  const { file, token } = await tokenFile(edge, "agent", "lab", "--local", ...ANYWHERE, "--expires", "6s");
  await using agent = startAgent(edge, "--token-file", file);
  await agent.until(/"msg":"ready"/);
  const visitor = connect(8080, edge.host);
  visitor.write("x");
  await once(visitor, "data");

  await agent.until(/"msg":"token renewed"/);
  const renewed = (await readFile(file, "utf8")).trim();
  const [before, after] = [decodeJwt(token), decodeJwt(renewed)];
  expect(after).toMatchObject({
    iss: before.iss,
    sub: before.sub,
    aud: before.aud,
    site: "lab",
    targets: before["targets"],
  });
  expect(after.jti).not.toBe(before.jti);
  expect((await stat(file)).mode & 0o777).toBe(0o600);

  await past(before.exp);
  const { sites } = await edge.json<StatusView>("status");
  expect(sites).toMatchObject([{ state: "online", agents: [{ identity: before.sub }] }]);
  expect(sites[0]?.agents[0]?.jti).not.toBe(before.jti);
  expect(await ask(edge.host, 8080, "hello")).toBe("hello");
  // What was open before is the same connection still.
  visitor.write("y");
  expect(String((await once(visitor, "data"))[0])).toBe("y");
  visitor.destroy();
});

test("a lapsed token renews itself first, then serves; a revoked one does neither", async () => {
  await using edge = await labEdge();
  const { file, token } = await tokenFile(edge, "agent", "lab", "--local", ...ANYWHERE, "--expires", "1s");
  const other = await tokenFile(edge, "agent", "lab", "--local", ...ANYWHERE, "--expires", "1s");
  await past(decodeJwt(other.token).exp);
  await edge.ok("token", "revoke", String(decodeJwt(other.token).jti));

  await using agent = startAgent(edge, "--token-file", file);
  await agent.until(/"msg":"token renewed"[^]*"msg":"ready"/);
  expect(decodeJwt((await readFile(file, "utf8")).trim()).sub).toBe(decodeJwt(token).sub);

  await using refused = startAgent(edge, "--token-file", other.file);
  expect(await refused.ended).toMatchObject({ code: 4 });
  expect((await readFile(other.file, "utf8")).trim()).toBe(other.token);
});

test("a token that came by the environment is kept in the state directory, and found there at the next start", async () => {
  await using edge = await labEdge();
  const token = await edge.ok("token", "agent", "lab", "--local", ...ANYWHERE, "--expires", "1s");
  await past(decodeJwt(token).exp);
  const env = { SALLYPORT_TOKEN: token, XDG_STATE_HOME: join(edge.data, "state") };
  {
    await using first = run(SYSTEM_NODE, [AGENT, "--log", "json"], { env });
    const [, file = ""] = await first.until(/"msg":"token renewed".*"file":"([^"]+)"/);
    expect(file.startsWith(env.XDG_STATE_HOME)).toBe(true);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    await first.until(/"msg":"ready"/);
  }
  await using second = run(SYSTEM_NODE, [AGENT, "--log", "json"], { env });
  await second.until(/"msg":"ready"/);
});

test("revoking a token revokes what it was renewed into", async () => {
  await using edge = await labEdge();
  const { file, token } = await tokenFile(edge, "agent", "lab", "--local", ...ANYWHERE, "--expires", "1s");
  await past(decodeJwt(token).exp);
  await using agent = startAgent(edge, "--token-file", file);
  await agent.until(/"msg":"ready"/);
  await edge.ok("token", "revoke", String(decodeJwt(token).jti));
  expect(await agent.ended).toMatchObject({ code: 4 });
  const tokens = await edge.json<TokenView[]>("token", "ls");
  expect(tokens.filter(({ kind }) => kind === "agent").map(({ revoked }) => revoked)).not.toContain(false);
});

test("a gateway renews its token too, a lapsed one before it listens", async () => {
  await using edge = await labEdge();
  await using echo = await tcpServer(loopback());
  const agentToken = await tokenFile(edge, "agent", "lab", "--local", ...ANYWHERE);
  await using agent = startAgent(edge, "--token-file", agentToken.file);
  await agent.until(/"msg":"ready"/);
  const { file, token } = await tokenFile(edge, "gateway", "--expires", "5s");
  await edge.ok("map", "add", "9090/tcp", "lab", `${echo.host}:${echo.port}`);
  await past(decodeJwt(token).exp);
  const host = loopback();
  await using gateway = run(SYSTEM_NODE, [SALLYPORT, "gateway", "--bind", host, "--token-file", file, "--log", "json"]);
  await gateway.until(/"msg":"token renewed"/);
  await gateway.until(/"msg":"listening"/);
  expect(decodeJwt((await readFile(file, "utf8")).trim())).toMatchObject({ sub: decodeJwt(token).sub });
});

test("keys rotate with no token lost; a withdrawn key takes along all that it has signed", async () => {
  await using edge = await labEdge();
  const [first = { kid: "" }] = await edge.json<{ kid: string }[]>("token", "keys", "ls");
  const { file } = await tokenFile(edge, "agent", "lab", "--local", ...ANYWHERE);
  await edge.ok("token", "keys", "rotate");
  expect(await edge.json<{ kid: string }[]>("token", "keys", "ls")).toHaveLength(2);
  await using agent = startAgent(edge, "--token-file", file);
  await agent.until(/"msg":"ready"/);
  await edge.login();
  await edge.ok("token", "keys", "withdraw", first.kid);
  expect(await agent.ended).toMatchObject({ code: 4 });
  // The login was signed by the newer key.
  expect(await edge.json<{ kid: string }[]>("token", "keys", "ls")).toHaveLength(1);
  await using again = startAgent(edge, "--token-file", file);
  expect(await again.ended).toMatchObject({ code: 4 });
});

async function labEdge(tcp?: string): Promise<TestEdge> {
  const edge = await testEdge(tcp === undefined ? {} : { tcp });
  await edge.ok("site", "add", "lab");
  return edge;
}

let files = 0;

async function tokenFile(edge: TestEdge, ...words: readonly string[]): Promise<{ file: string; token: string }> {
  files += 1;
  const file = join(edge.data, `token-${files}`);
  const token = await edge.ok("token", ...words);
  await writeFile(file, token, { mode: 0o600 });
  return { file, token };
}

function startAgent(edge: TestEdge, ...words: readonly string[]): Run {
  return run(SYSTEM_NODE, [AGENT, ...words, "--log", "json"], { env: { XDG_STATE_HOME: join(edge.data, "state") } });
}

/** When a moment (seconds since 1970) is over, for edge and agent alike. */
async function past(seconds = 0): Promise<void> {
  while (Date.now() < seconds * 1000 + 50) await sleep(seconds * 1000 + 50 - Date.now());
}
