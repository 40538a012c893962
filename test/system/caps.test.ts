import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeJwt } from "jose";
import { expect, test } from "vitest";
import { AGENT, SYSTEM_NODE } from "../../scripts/tool.ts";
import type { StatusView, TokenList, TokenView } from "../../shared/rule/api.ts";
import { endlessOrigin } from "../support/endless.ts";
import { heldFlow, heldResponse, heldSocket, heldTcp, type Held } from "../support/held.ts";
import { askHttp, httpOrigin } from "../support/http.ts";
import { loopback } from "../support/net.ts";
import { ask, tcpServer, udpServer } from "../support/peers.ts";
import { run } from "../support/run.ts";
import { listeningAt, testSite, type TestSite } from "../support/site.ts";
import { ANYWHERE } from "../support/targets.ts";

const WEB = "app.localhost:8787";

test("a token's cap on bytes is one for a client, for HTTP and for raw WebSockets, outlives the edge's restart, and ends it", async () => {
  await using site = await testSite();
  await using echo = await tcpServer(loopback());
  await using origin = await httpOrigin((_, response) => void response.end("x".repeat(100_000)));
  const { edge } = site;
  await site.map(`http://${WEB}`, origin.url, "--access", "token");
  await site.map("lab/echo", `${echo.host}:${echo.port}`);
  const file = await site.token(
    "visitor",
    "--endpoint",
    `http://${WEB}`,
    "--endpoint",
    "lab/echo",
    "--max-bytes",
    "500K",
  );
  const token = (await readFile(file, "utf8")).trim();
  const headers = { authorization: `Bearer ${token}` };
  const isBefore = (bytes: number) =>
    expect.toSatisfy((value: number) => value >= bytes && value < bytes + 20_000) as number;

  const page = await askHttp(edge.url, "app.localhost", { headers });
  expect(page.body.byteLength).toBe(100_000);
  expect(await spentBy(site, token, 100_000)).toEqual({ cap: 500 * 1024, spent: isBefore(100_000) });

  await edge.stop();
  await edge.start();
  await site.agent.until(/"msg":"connected"[^]*"msg":"connected"/);
  const client = await site.connect(file, "lab/echo");
  const local = await listeningAt(client, "lab/echo");
  expect((await ask(local.host, local.port, "y".repeat(100_000))).length).toBe(100_000);
  expect(await spentBy(site, token, 300_000)).toEqual({ cap: 500 * 1024, spent: isBefore(300_000) });
  const raw = { url: `${edge.url}/.sallyport/tcp/lab/echo`, host: `${edge.host}:8787`, headers };
  const socket = await heldSocket(raw, undefined, "z".repeat(50_000));
  expect(await spentBy(site, token, 400_000)).toMatchObject({ spent: isBefore(400_000) });

  const idle = await heldTcp(local);
  expect((await ask(local.host, local.port, "y".repeat(200_000)).catch(() => "")).length).toBeLessThan(200_000);
  await Promise.all([idle.gone, socket.gone]);
  expect(await client.ended).toMatchObject({ code: 4 });
  expect((await askHttp(edge.url, "app.localhost", { headers })).status).toBeGreaterThanOrEqual(401);
  await spentBy(site, token, 500 * 1024);
  expect(await tokenView(site, token)).toMatchObject({ revoked: true });
  const [entry] = await edge.json<{ actor: string; action: string }[]>("audit", "--action", "token spent");
  expect(entry).toMatchObject({ actor: "registry", action: "token spent" });
});

test("streams at once are counted over all agents and all ways in: of a mapping, and of a token", async () => {
  await using site = await testSite({ tcp: "8080" });
  await using echo = await tcpServer(loopback());
  await using datagrams = await udpServer(loopback());
  await using origin = await endlessOrigin();
  await using second = await another(site);
  const { edge } = site;
  await site.map("8080/tcp", `${echo.host}:${echo.port}`, "--max-streams", "3");
  await site.map("lab/echo", `${echo.host}:${echo.port}`);
  await site.map("5060/udp", `${datagrams.host}:${datagrams.port}`, "--access", "token");
  await site.map(`http://${WEB}`, origin.url, "--access", "token");
  const scope = ["8080/tcp", "lab/echo", "5060/udp", `http://${WEB}`].flatMap((each) => ["--endpoint", each]);

  const anybody = await site.connect(await site.token("visitor", ...scope), `8080/tcp=${loopback()}:0`);
  const local = await listeningAt(anybody, "8080/tcp");
  const held = [await heldTcp(local), await heldTcp(local), await heldTcp({ host: edge.host, port: 8080 })];
  for (const at of [local, { host: edge.host, port: 8080 }]) await expect(heldTcp(at)).rejects.toThrow("refused");
  held.pop()?.close();
  held.push(await eventually(() => heldTcp(local)));

  const file = await site.token("visitor", ...scope, "--max-streams", "4");
  const headers = { authorization: `Bearer ${(await readFile(file, "utf8")).trim()}` };
  const client = await site.connect(file, `lab/echo=${loopback()}:0`, `5060/udp=${loopback()}:0`);
  const port = await listeningAt(client, "lab/echo");
  const web = { url: edge.url, host: WEB, headers };
  const raw = { url: `${edge.url}/.sallyport/tcp/lab/echo`, host: `${edge.host}:8787`, headers };
  const flow = await listeningAt(client, "5060/udp");
  held.push(
    await heldTcp(port),
    await heldFlow(flow),
    await heldResponse(web),
    await heldSocket(raw, undefined, "hello"),
  );
  await expect(heldTcp(port)).rejects.toThrow("refused");
  await expect(heldResponse(web)).rejects.toThrow("refused");
  await expect(heldSocket(raw, undefined, "hello")).rejects.toThrow("refused");
  held.pop()?.close();
  held.push(await eventually(() => heldResponse(web)));

  // One agent counts them; without it the other does.
  const { sites } = await edge.ask<StatusView>("GET", "/status");
  expect(sites[0]?.agents).toHaveLength(2);
  for (const each of held) each.close();
  site.agent.kill("SIGTERM");
  await site.agent.ended;
  const late = [await eventually(() => heldTcp(local)), await heldTcp(local), await heldTcp(local)];
  await expect(heldTcp(local)).rejects.toThrow("refused");
  for (const each of late) each.close();
  expect(second.pid).toBeGreaterThan(0);
});

/** A second agent of the site. */
async function another(site: TestSite) {
  const file = join(site.edge.data, "second-token");
  await writeFile(file, await site.edge.ok("token", "agent", "lab", "--local", ...ANYWHERE), { mode: 0o600 });
  const agent = run(SYSTEM_NODE, [AGENT, "--token-file", file, "--log", "json"]);
  await agent.until(/"msg":"ready"/);
  return agent;
}

/** What is let in once there is room again: an end takes a moment to be known. */
async function eventually(open: () => Promise<Held>): Promise<Held> {
  for (;;) {
    try {
      return await open();
    } catch {
      // Not yet.
    }
  }
}

async function tokenView({ edge }: TestSite, token: string): Promise<TokenView | undefined> {
  const { tokens } = await edge.ask<TokenList>("GET", "/tokens");
  return tokens.find(({ jti }) => jti === decodeJwt(token).jti);
}

/** What the edge says a token has carried, once that is so much; it hears of it a moment later. */
async function spentBy(site: TestSite, token: string, bytes: number): Promise<TokenView["bytes"]> {
  for (;;) {
    const view = await tokenView(site, token);
    if ((view?.bytes?.spent ?? 0) >= bytes) return view?.bytes ?? null;
  }
}
