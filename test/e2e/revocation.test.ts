import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, request, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { decodeJwt } from "jose";
import { expect, test } from "vitest";
import WebSocket, { WebSocketServer } from "ws";
import { loopback } from "../support/net.ts";
import { testSite, type TestSite } from "../support/site.ts";

// Each opens something that goes on for ever, revokes the token behind it, and waits for its end: a hang is the failure.
// What came in by login or by bearer, as a response or a WebSocket, through the agent whose token it was, or not.

const HOST = "app.localhost:8787";

for (const whose of ["visitor", "agent"] as const) {
  for (const by of ["bearer", "cookie"] as const) {
    test(`revoking the ${whose}'s token ends a response and a WebSocket opened by ${by}`, async () => {
      await using site = await testSite();
      await using service = await endless();
      await site.map(`http://${HOST}`, `http://${service.address}`, "--access", "token");
      const token = (await readFile(await site.token("visitor", "--endpoint", `http://${HOST}`), "utf8")).trim();
      const headers: Record<string, string> =
        by === "bearer" ? { authorization: `Bearer ${token}` } : { cookie: await login(site, token) };
      const response = await get(site, headers);
      const socket = new WebSocket(`ws://${site.edge.host}:8787/`, { headers: { ...headers, host: HOST } });
      await Promise.all([once(response, "data"), once(socket, "message")]);
      const ends = [response, socket].map(
        (each) => new Promise((end) => each.on("error", () => undefined).on("close", end)),
      );
      response.resume();
      const jti = whose === "visitor" ? String(decodeJwt(token).jti) : await agentToken(site);
      await site.edge.ok("token", "revoke", jti);
      await Promise.all(ends);
      // It is no whole response, and nothing new comes of it.
      expect(response.complete).toBe(false);
      const again = await get(site, headers);
      expect({ status: again.statusCode }).toEqual({
        status: whose === "visitor" ? expect.toSatisfy((status) => [401, 403].includes(status)) : 503,
      });
    });
  }
}

/** A service whose responses and WebSockets never end. */
async function endless() {
  const server = createServer((_, response) => {
    const timer = setInterval(() => response.write("more\n"), 20);
    response.on("close", () => clearInterval(timer));
  }).listen(0, loopback());
  new WebSocketServer({ server }).on("connection", (socket) => {
    const timer = setInterval(() => socket.send("more"), 20);
    socket.on("close", () => clearInterval(timer)).on("error", () => undefined);
  });
  await once(server, "listening");
  const { address, port } = server.address() as AddressInfo;
  return {
    address: `${address}:${port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await Promise.resolve();
    },
  };
}

/** The cookie of a login with this token. */
async function login(site: TestSite, token: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<IncomingMessage>();
  const form = { "content-type": "application/x-www-form-urlencoded", origin: `http://${HOST}`, host: HOST };
  const sent = request(`${site.edge.url}/.sallyport/login`, { method: "POST", headers: form }, resolve);
  sent.end(new URLSearchParams({ token, to: "/" }).toString());
  const answer = await promise;
  expect(answer.statusCode).toBe(303);
  return (answer.headers["set-cookie"]?.[0] ?? "").split(";")[0] ?? "";
}

async function get(site: TestSite, headers: Readonly<Record<string, string>>): Promise<IncomingMessage> {
  const { promise, resolve } = Promise.withResolvers<IncomingMessage>();
  request(site.edge.url, { headers: { ...headers, host: HOST }, agent: false }, resolve).end();
  return promise;
}

/** The jti of the agent's token. */
async function agentToken(site: TestSite): Promise<string> {
  const tokens = await site.edge.json<{ jti: string; kind: string }[]>("token", "ls");
  return tokens.find(({ kind }) => kind === "agent")?.jti ?? "";
}
