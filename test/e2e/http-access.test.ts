import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:https";
import { once } from "node:events";
import { createServer as createHttpServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { decodeJwt } from "jose";
import { expect, test } from "vitest";
import { WebSocket } from "ws";
import { certificate } from "../support/certificates.ts";
import { askHttp, httpOrigin } from "../support/http.ts";
import { loopback } from "../support/net.ts";
import { requestFrom } from "../support/request.ts";
import { testSite } from "../support/site.ts";
import { tempDir } from "../support/temp-dir.ts";

const HOST = "nas.localhost";
const HTML = { accept: "text/html" };

test("an endpoint for tokens opens to a bearer's and to nobody else, and its token never reaches the target", async () => {
  await using site = await testSite();
  await using origin = await httpOrigin((request, response) => void response.end(JSON.stringify(request.headers)));
  const { edge } = site;
  await site.map(`http://${HOST}`, origin.url, "--access", "token");
  await site.map("http://other.localhost", origin.url, "--access", "token");
  const good = await edge.ok("token", "visitor", "--endpoint", `http://${HOST}`);
  const other = await edge.ok("token", "visitor", "--endpoint", "http://other.localhost");
  const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
  const refused = await askHttp(edge.url, HOST);
  expect(refused).toMatchObject({ status: 401, headers: { "www-authenticate": 'Bearer realm="sallyport"' } });
  for (const bad of [other, "x.y.z", `${good}x`]) expect((await askHttp(edge.url, HOST, bearer(bad))).status).toBe(401);
  const got = await askHttp(edge.url, HOST, bearer(good));
  expect(got.status).toBe(200);
  expect(got.body.toString()).not.toContain(good);
  await edge.ok("token", "revoke", String(decodeJwt(good).jti));
  expect((await askHttp(edge.url, HOST, bearer(good))).status).toBeGreaterThanOrEqual(401);
});

test("a browser logs in with a token: a cookie of this host and this endpoint alone, which the target never sees", async () => {
  await using site = await testSite();
  await using origin = await httpOrigin((request, response) => void response.end(JSON.stringify(request.headers)));
  const { edge } = site;
  await site.map(`http://${HOST}`, origin.url, "--access", "token");
  await site.map("http://other.localhost", origin.url, "--access", "token");
  const token = await edge.ok(
    "token",
    "visitor",
    "--endpoint",
    `http://${HOST}`,
    "--endpoint",
    "http://other.localhost",
  );
  const asked = await askHttp(edge.url, HOST, { path: "/photos?id=1", headers: HTML });
  expect(asked).toMatchObject({ status: 401, headers: { "content-type": "text/html; charset=utf-8" } });
  expect(asked.body.toString()).toContain('name="to" value="/photos?id=1"');

  const login = (fields: Record<string, string>, origin_ = `http://${HOST}:8787`) =>
    askHttp(edge.url, HOST, {
      method: "POST",
      path: "/.sallyport/login",
      headers: { ...HTML, origin: origin_, "content-type": "application/x-www-form-urlencoded" },
      body: new URLSearchParams(fields).toString(),
    });
  expect((await login({ token: "x.y.z", to: "/" })).status).toBe(403);
  expect((await login({ token, to: "/" }, "http://evil.example")).status).toBe(403);
  for (const to of ["//evil.example", "https://evil.example", "/\\evil.example"])
    expect((await login({ token, to })).headers.location).toBe("/");
  const done = await login({ token, to: "/photos?id=1" });
  expect(done).toMatchObject({ status: 303, headers: { location: "/photos?id=1" } });
  const [cookie = ""] = done.headers["set-cookie"] ?? [];
  expect(cookie).toMatch(/^sallyport-\d+=[\w.-]+; Path=\/; HttpOnly; SameSite=Lax; Max-Age=\d+$/);
  const pair = cookie.slice(0, cookie.indexOf(";"));
  expect(pair).not.toContain(token);

  const inside = await askHttp(edge.url, HOST, { headers: { cookie: `a=1; ${pair}; b=2` } });
  expect(inside.status).toBe(200);
  expect((JSON.parse(inside.body.toString()) as { cookie: string }).cookie).toBe("a=1; b=2");
  const elsewhere = pair.replace(/sallyport-\d+/, "sallyport-2");
  expect((await askHttp(edge.url, "other.localhost", { headers: { cookie: `${pair}; ${elsewhere}` } })).status).toBe(
    401,
  );
  await edge.ok("token", "revoke", String(decodeJwt(token).jti));
  expect((await askHttp(edge.url, HOST, { headers: { cookie: pair } })).status).toBeGreaterThanOrEqual(401);
});

test("no token and no cookie of the edge reaches a target, whatever let the visitor in", async () => {
  await using site = await testSite();
  await using origin = await httpOrigin((request, response) => void response.end(JSON.stringify(request.rawHeaders)));
  const { edge } = site;
  await site.map("http://open.localhost", origin.url);
  await site.map("http://granted.localhost", origin.url, "--access", "token");
  const guest = loopback();
  const link = await edge.ok("grant", "http://granted.localhost", "--for", "1h");
  expect((await requestFrom(guest, "POST", link)).status).toBe(200);
  const tokens = [
    await edge.ok("token", "visitor", "--endpoint", "http://granted.localhost"),
    await edge.ok("token", "agent", "lab", "--local"),
    edge.adminToken,
  ];
  for (const host of ["open.localhost", "granted.localhost"])
    for (const token of tokens)
      for (const headers of asHeaders(
        { authorization: `Bearer ${token}` },
        { authorization: `Basic ${Buffer.from(`ann:${token}`).toString("base64")}` },
        { "x-auth-token": token, cookie: `a=1; SALLYPORT-1=${token}; t=${token}` },
        { referer: link },
      )) {
        const got = await askHttp(edge.url, host, { headers, from: guest });
        expect({ host, headers, status: got.status }).toMatchObject({ status: 200 });
        const seen = got.body.toString();
        for (const secret of [token, Object.values(headers)[0] ?? "", link.split("/").at(-1) ?? ""])
          expect(seen).not.toContain(secret);
      }
  const own = await askHttp(edge.url, "open.localhost", { headers: { authorization: "Basic YW5uOnNlY3JldA==" } });
  expect(own.body.toString()).toContain("Basic YW5uOnNlY3JldA==");
});

test("a target sets no cookie of the edge's, by no spelling and no response", async () => {
  await using site = await testSite();
  const set = [
    "sallyport-1=x; Domain=localhost; Path=/",
    "SallyPort-1=x",
    "__Host-sallyport-1=x; Secure; Path=/",
    "=sallyport-1=x",
    '"sallyport-1"=x',
  ];
  await using origin = await httpOrigin((_request, response) => {
    response.writeHead(200, { "set-cookie": [...set, "kept=1; Path=/"] });
    response.end("ok");
  });
  origin.server.on("upgrade", (request, socket) => {
    const accept = createHash("sha1")
      .update(`${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest("base64");
    socket.on("end", () => socket.destroy()).resume();
    const cookies = [...set, "kept=1"].map((cookie) => `Set-Cookie: ${cookie}\r\n`).join("");
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n${cookies}\r\n`,
    );
  });
  await site.map(`http://${HOST}`, origin.url);
  expect((await askHttp(site.edge.url, HOST)).headers["set-cookie"]).toEqual(["kept=1; Path=/"]);
  const socket = new WebSocket(`ws://${site.edge.host}:8787/`, { headers: { host: `${HOST}:8787` } });
  const [upgraded] = (await once(socket, "upgrade")) as [IncomingMessage];
  expect(upgraded.headers["set-cookie"]).toEqual(["kept=1"]);
  socket.terminate();
});

test("a login by cookie counts for pages of its own host: sibling hosts may link to it, and change nothing", async () => {
  const proxy = "127.0.0.9";
  await using site = await testSite({}, "--trusted-proxy", `${proxy}/32`);
  await using origin = await httpOrigin((_request, response) => void response.end("in"));
  origin.server.on("upgrade", (_request, socket) => socket.end("HTTP/1.1 418 In\r\nContent-Length: 0\r\n\r\n"));
  const { edge } = site;
  await site.map(`https://${HOST}`, origin.url, "--access", "token");
  const token = await edge.ok("token", "visitor", "--endpoint", `https://${HOST}`);
  const own = `https://${HOST}:8787`;
  const tls = { "x-forwarded-proto": "https", "x-forwarded-for": "192.0.2.7" };
  const done = await askHttp(edge.url, HOST, {
    method: "POST",
    path: "/.sallyport/login",
    headers: { ...tls, origin: own, "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams({ token, to: "/" }).toString(),
    from: proxy,
  });
  const [given = ""] = done.headers["set-cookie"] ?? [];
  expect(given).toMatch(/^__Host-sallyport-\d+=[\w.-]+; Path=\/; HttpOnly; SameSite=Lax; Secure; Max-Age=\d+$/);
  const cookie = given.slice(0, given.indexOf(";"));
  const ask = async (method: string, headers: Record<string, string>): Promise<number> => {
    const answer = await askHttp(edge.url, HOST, { method, headers: { ...tls, cookie, ...headers }, from: proxy });
    return answer.status;
  };
  // Over TLS a name that any host of the site can set is none of ours.
  expect(await ask("GET", { cookie: cookie.replace("__Host-", "") })).toBe(401);
  expect(await ask("GET", { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" })).toBe(200);
  expect(await ask("GET", { "sec-fetch-site": "same-site" })).toBe(200);
  for (const headers of asHeaders({ origin: own }, { origin: own, "sec-fetch-site": "same-origin" }, {}))
    for (const method of ["POST", "PUT", "DELETE"]) expect(await ask(method, headers)).toBe(200);
  const upgrade = { connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13" };
  const key = { "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==" };
  expect(await ask("GET", { ...upgrade, ...key, origin: own })).toBe(418);
  for (const headers of asHeaders(
    { origin: "https://blog.localhost:8787" },
    { origin: `http://${HOST}:8787` },
    { origin: "null" },
    { "sec-fetch-site": "same-site" },
    { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" },
  )) {
    for (const method of ["POST", "PUT", "DELETE", "PATCH"])
      expect({ headers, method, status: await ask(method, headers) }).toEqual({ headers, method, status: 403 });
    expect(await ask("GET", { ...upgrade, ...key, ...headers })).toBe(403);
  }
  // A token doesn't come by itself: whoever sends it means it.
  const bearer = { authorization: `Bearer ${token}`, cookie: "", origin: "https://blog.localhost:8787" };
  expect(await ask("POST", bearer)).toBe(200);
});

test("addresses are allowed and denied as at ports, and errors tell people what is wrong and strangers nothing private", async () => {
  await using site = await testSite();
  const { edge } = site;
  // Nothing listens there: no other test has this address.
  const nowhere = loopback();
  await site.map(`http://${HOST}`, `http://${nowhere}:9`, "--allow-from", "127.0.0.1");
  await site.map("http://closed.localhost", `http://${nowhere}:9`, "--allow-from", "10.0.0.0/8");
  const html = await askHttp(edge.url, HOST, { headers: HTML, from: "127.0.0.1" });
  expect(html).toMatchObject({
    status: 502,
    headers: { "content-type": "text/html; charset=utf-8", "retry-after": "10" },
  });
  expect(html.body.toString()).toContain("The service is not running");
  expect(html.body.toString()).not.toContain(nowhere);
  const json = await askHttp(edge.url, HOST, { headers: { accept: "application/json" }, from: "127.0.0.1" });
  expect(JSON.parse(json.body.toString())).toMatchObject({
    status: 502,
    code: "target-refused",
    request: expect.stringMatching(/^[0-9a-f]{10}$/) as unknown,
  });
  expect((await askHttp(edge.url, HOST, { from: "127.0.0.2" })).status).toBe(403);
  expect((await askHttp(edge.url, "closed.localhost")).status).toBe(403);
  site.agent.kill("SIGTERM");
  await site.agent.ended;
  const offline = await askHttp(edge.url, HOST, { from: "127.0.0.1" });
  expect(offline.status).toBe(503);
  expect(offline.body.toString()).toMatch(/The site is offline.*Last seen \d{4}-\d\d-\d\d/);
});

test("prefixes choose the target and may be stripped; redirects and cookies come back under them", async () => {
  await using site = await testSite();
  await using root = await httpOrigin((request, response) => void response.end(`root ${request.url}`));
  await using app = await httpOrigin((request, response) => {
    response.writeHead(302, { location: "/login?x=1", "set-cookie": "s=1; Path=/" });
    response.end(`app ${request.url} ${String(request.headers["x-forwarded-prefix"])}`);
  });
  const { edge } = site;
  await site.map(`http://${HOST}`, root.url);
  await site.map(`http://${HOST}/app`, app.url, "--strip-prefix");
  expect((await askHttp(edge.url, HOST, { path: "/apple" })).body.toString()).toBe("root /apple");
  const got = await askHttp(edge.url, HOST, { path: "/app/a?b" });
  expect(got.body.toString()).toBe("app /a?b /app");
  expect(got.headers).toMatchObject({ location: "/app/login?x=1", "set-cookie": ["s=1; Path=/app/"] });
  expect((await askHttp(edge.url, HOST, { path: "/app" })).body.toString()).toBe("app / /app");
  expect((await askHttp(edge.url, HOST, { path: "/x/..%2fapp/" })).status).toBe(400);
});

test("targets speak TLS that is checked, pinned, or not checked, as the mapping says", async () => {
  await using site = await testSite();
  await using folder = await tempDir();
  const { edge } = site;
  const host = loopback();
  const { cert, key } = await certificate(folder.path, host, 7);
  const names: string[] = [];
  const server = createServer(
    {
      cert: await readFile(cert),
      key: await readFile(key),
      SNICallback: (name, done) => {
        names.push(name);
        done(null);
      },
    },
    (_request, response) => void response.end("secure"),
  );
  server.listen(0, host);
  await once(server, "listening");
  const target = `https://${host}:${(server.address() as AddressInfo).port}`;
  await site.map("http://checked.localhost", target);
  await site.map("http://open.localhost", target, "--no-tls-verify");
  await site.map("http://pinned.localhost", target, "--ca", cert);
  await site.map("http://asked.localhost", target, "--no-tls-verify", "--sni", "cam.lan");
  await site.map("http://named.localhost", target, "--ca", cert, "--sni", "nas.lan");
  const refused = await askHttp(edge.url, "checked.localhost");
  expect({ status: refused.status, body: refused.body.toString() }).toMatchObject({
    status: 502,
    body: expect.stringContaining("its certificate is self-signed") as unknown,
  });
  expect((await askHttp(edge.url, "open.localhost")).body.toString()).toBe("secure");
  expect((await askHttp(edge.url, "pinned.localhost")).body.toString()).toBe("secure");
  // An address is no name to ask for; one that is set is asked for.
  expect(names).toEqual([]);
  expect((await askHttp(edge.url, "asked.localhost")).body.toString()).toBe("secure");
  expect(names).toEqual(["cam.lan"]);
  expect((await askHttp(edge.url, "named.localhost")).body.toString()).toContain("its certificate is for another name");
  server.closeAllConnections();
  server.close();
});

test("a socket of the agent's machine is a target if the agent was told so, and no other", async () => {
  await using folder = await tempDir();
  const [open, closed] = [join(folder.path, "app.sock"), join(folder.path, "other.sock")];
  await using site = await testSite({ agent: ["--allow", `unix:${open}`] });
  for (const path of [open, closed]) {
    const server = createHttpServer(
      (request, response) => void response.end(`unix ${request.url} ${request.headers.host}`),
    );
    server.listen(path).unref();
    await once(server, "listening");
  }
  await site.map("http://open.localhost", `http+unix:${open}`);
  await site.map("http://closed.localhost", `http+unix:${closed}`);
  for (let round = 0; round < 2; round += 1)
    expect((await askHttp(site.edge.url, "open.localhost", { path: "/a" })).body.toString()).toBe(
      "unix /a open.localhost:8787",
    );
  expect(await askHttp(site.edge.url, "closed.localhost")).toMatchObject({ status: 502 });
});

test("a grant opens an endpoint for tokens to one visitor's address", async () => {
  await using site = await testSite();
  await using origin = await httpOrigin((_request, response) => void response.end("let in"));
  await site.map(`http://${HOST}`, origin.url, "--access", "token");
  const [guest, stranger] = [loopback(), loopback()];
  const link = await site.edge.ok("grant", `http://${HOST}`, "--for", "1h");
  expect((await askHttp(site.edge.url, HOST, { from: guest })).status).toBe(401);
  expect((await requestFrom(guest, "POST", link)).status).toBe(200);
  expect((await askHttp(site.edge.url, HOST, { from: guest })).body.toString()).toBe("let in");
  expect((await askHttp(site.edge.url, HOST, { from: stranger })).status).toBe(401);
  const [{ id } = { id: "" }] = await site.edge.json<{ id: string }[]>("grant", "ls");
  await site.edge.ok("grant", "rm", id);
  expect((await askHttp(site.edge.url, HOST, { from: guest })).status).toBe(401);
});

function asHeaders(...each: Record<string, string>[]): Record<string, string>[] {
  return each;
}
