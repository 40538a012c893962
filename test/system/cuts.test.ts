import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { decodeJwt } from "jose";
import { expect, test } from "vitest";
import type { ConnectionList, MadeGrantView, TokenList } from "../../shared/rule/api.ts";
import { endlessOrigin } from "../support/endless.ts";
import { heldFlow, heldResponse, heldSocket, heldTcp, type Held } from "../support/held.ts";
import { loopback } from "../support/net.ts";
import { tcpServer, udpServer } from "../support/peers.ts";
import { requestFrom } from "../support/request.ts";
import { listeningAt, testSite } from "../support/site.ts";

// Everything that opens something, and everything that takes it back: each pair is opened, works, and is cut.
// Two seconds are promised. What takes thirty is called open here, so that a table says which pair it is.
const TOO_LONG_MS = 30_000;

const ENDED = { tcp: "ended", flow: "ended", response: "ended", socket: "ended" };

test("the end of a mapping, of a grant or of a token, by time or by hand, cuts TCP, UDP, responses and WebSockets", async () => {
  await using site = await testSite({ tcp: "8081-8089" });
  await using echo = await tcpServer(loopback());
  await using datagrams = await udpServer(loopback());
  await using origin = await endlessOrigin();
  const { edge } = site;
  const host = loopback();
  const gateway = await site.gateway(await site.token("gateway"), "--bind", host);

  /** Mappings of each kind, at the n-th port and host. */
  const map = async (n: number, rule: object): Promise<string[]> => {
    const rules = [
      { endpoint: `808${n}/tcp`, target: `${echo.host}:${echo.port}` },
      { endpoint: `506${n}/udp`, target: `${datagrams.host}:${datagrams.port}` },
      { endpoint: `http://app${n}.localhost:8787`, target: origin.url },
    ];
    for (const each of rules) await edge.ask("POST", "/mappings", { ...each, site: "lab", ...rule });
    return rules.map(({ endpoint }) => endpoint);
  };
  /** One visitor of each kind there, at the edge's own ports and hosts and at the gateway's. */
  const visit = async (n: number, from?: string): Promise<Record<string, Held>> => {
    await gateway.until(new RegExp(`"msg":"listening","endpoint":"506${n}\\/udp"`));
    const web = { url: edge.url, host: `app${n}.localhost:8787` };
    return {
      tcp: await heldTcp({ host: edge.host, port: 8080 + n }, from),
      flow: await heldFlow({ host, port: 5060 + n }, from),
      response: await heldResponse(web, from),
      socket: await heldSocket(web, from),
    };
  };
  const change = (endpoint: string, rule: object): Promise<unknown> =>
    edge.ask("PATCH", `/mappings/${encodeURIComponent(endpoint)}`, rule);

  const expired = await map(1, {});
  const byExpiry = await visit(1);
  for (const endpoint of expired) await change(endpoint, { expires: new Date(Date.now() + 1_500).toISOString() });
  expect(await ends(byExpiry)).toEqual(ENDED);

  const removed = await map(2, {});
  const byRemoval = await visit(2);
  for (const endpoint of removed) await edge.ask("DELETE", `/mappings/${encodeURIComponent(endpoint)}`);
  expect(await ends(byRemoval)).toEqual(ENDED);

  const moved = await map(3, {});
  const byMove = await visit(3);
  for (const endpoint of moved)
    await change(endpoint, { target: endpoint.startsWith("http") ? "http://127.0.0.1:9" : "127.0.0.1:9" });
  expect(await ends(byMove)).toEqual(ENDED);

  const guest = loopback();
  for (const [n, life, isTakenBack] of [
    [4, 3600, true],
    [5, 8, false],
  ] as const) {
    const endpoints = await map(n, { access: "token" });
    const grant = await edge.ask<MadeGrantView>("POST", "/grants", { endpoints, life });
    await requestFrom(guest, "POST", grant.link);
    const visitors = await visit(n, guest);
    if (isTakenBack) await edge.ask("DELETE", `/grants/${grant.id}`);
    expect({ n, ...(await ends(visitors)) }).toEqual({ n, ...ENDED });
  }

  await map(6, {});
  const byAgent = await visit(6);
  const { tokens } = await edge.ask<TokenList>("GET", "/tokens");
  await edge.ask("DELETE", `/tokens/${tokens.find(({ kind }) => kind === "agent")?.jti ?? ""}`);
  expect(await ends(byAgent)).toEqual(ENDED);

  // And it is written down why.
  const { connections } = await edge.ask<ConnectionList>("GET", "/log?limit=1000");
  const written = connections
    .filter(({ code }) => code === "cut" || code === "expired")
    .map(({ endpoint }) => endpoint);
  for (const n of [1, 2, 3, 4, 5])
    expect(written).toEqual(
      expect.arrayContaining([`808${n}/tcp`, `506${n}/udp`, `http://app${n}.localhost:8787`]) as unknown,
    );
});

test("the end of a visitor's token, by time or by hand, cuts what it opened, through a client and by itself", async () => {
  await using site = await testSite();
  await using echo = await tcpServer(loopback());
  await using datagrams = await udpServer(loopback());
  await using origin = await endlessOrigin();
  const { edge } = site;
  const WEB = "app.localhost:8787";
  const endpoints = ["lab/echo", "5061/udp", `http://${WEB}`];
  const targets = [`${echo.host}:${echo.port}`, `${datagrams.host}:${datagrams.port}`, origin.url];
  for (const [at, endpoint] of endpoints.entries())
    await edge.ask("POST", "/mappings", { endpoint, site: "lab", target: targets[at], access: "token" });

  const open = async (file: string): Promise<Record<string, Held>> => {
    const token = (await readFile(file, "utf8")).trim();
    const headers = { authorization: `Bearer ${token}` };
    const web = { url: edge.url, host: WEB, headers };
    const raw = { url: `${edge.url}/.sallyport/tcp/lab/echo`, host: `${edge.host}:8787`, headers };
    const [response, socket, bytes] = [
      await heldResponse(web),
      await heldSocket(web),
      await heldSocket(raw, undefined, "hello"),
    ];
    const client = await site.connect(file, "lab/echo", "5061/udp");
    const tcp = await heldTcp(await listeningAt(client, "lab/echo"));
    const flow = await heldFlow(await listeningAt(client, "5061/udp"));
    return { tcp, flow, response, socket, bytes };
  };
  const scope = endpoints.flatMap((endpoint) => ["--endpoint", endpoint]);
  const file = await site.token("visitor", ...scope);
  const revoked = await open(file);
  await edge.ask("DELETE", `/tokens/${String(decodeJwt(await readFile(file, "utf8")).jti)}`);
  expect(await ends(revoked)).toEqual({ ...ENDED, bytes: "ended" });
  const expired = await open(await site.token("visitor", ...scope, "--expires", "15s"));
  expect(await ends(expired)).toEqual({ ...ENDED, bytes: "ended" });
});

/** What has become of each. */
async function ends(held: Record<string, Held>): Promise<Record<string, string>> {
  const fates = Object.entries(held).map(async ([kind, { gone, close }]) => {
    const timeout = AbortSignal.timeout(TOO_LONG_MS);
    const fate = await Promise.race([gone.then(() => "ended"), once(timeout, "abort").then(() => "still open")]);
    close();
    return [kind, fate];
  });
  return Object.fromEntries(await Promise.all(fates)) as Record<string, string>;
}
