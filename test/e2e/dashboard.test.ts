import { readFile } from "node:fs/promises";
import { request, type IncomingMessage } from "node:http";
import { gunzipSync } from "node:zlib";
import { buffer } from "node:stream/consumers";
import { expect, test } from "vitest";
import WebSocket, { type ClientOptions } from "ws";
import type { OpenedSession, StatusView } from "../../shared/rule/api.ts";
import { KEY_PROTOCOL, LIVE_PROTOCOL, type LiveMessage } from "../../shared/rule/live.ts";
import { testEdge, type TestEdge } from "../support/edge.ts";
import { exchange, echoServer, testAgent } from "../support/lan.ts";

/** Bytes that a first visit may take, compressed. */
const FIRST_LOAD = 150 * 1024;

test("the page and what it loads are small, compressed, and may run nothing but themselves", async () => {
  await using edge = await testEdge();
  const page = await get(edge, "/.sallyport/");
  expect(page.status).toBe(200);
  const policy = String(page.headers["content-security-policy"]);
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("script-src 'self';");
  expect(policy).toContain("frame-ancestors 'none'");
  expect(policy).not.toContain("unsafe");
  const html = gunzipSync(page.body).toString();
  expect(html).not.toMatch(/<script(?![^>]* src=)|style=|https?:/);
  const names = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, name = ""]) => name);
  expect(names).toHaveLength(3);
  let size = page.body.length;
  for (const name of names) {
    const asset = await get(edge, name);
    expect({ name, status: asset.status, ...asset.headers }).toMatchObject({
      status: 200,
      "cache-control": expect.stringContaining("immutable"),
      "content-encoding": "gzip",
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
    });
    size += asset.body.length;
    // Whoever takes no gzip gets the same.
    const plain = await get(edge, name, { "accept-encoding": "identity" });
    expect(plain.headers["content-encoding"]).toBeUndefined();
    expect(plain.body.equals(gunzipSync(asset.body))).toBe(true);
  }
  expect(size).toBeLessThan(FIRST_LOAD);
  expect(page.headers["cache-control"]).toBe("no-cache");
  expect((await get(edge, "/.sallyport/assets/app-0.js")).status).toBe(404);
  expect((await get(edge, "/.sallyport/assets/index.html")).status).toBe(404);
});

test("a browser's session is a cookie and a key, and neither is good for anything alone", async () => {
  await using edge = await testEdge();
  const { cookie, header, key } = await logIn(edge);
  expect(header).toMatch(/; HttpOnly; SameSite=Strict; Max-Age=\d+$/);
  expect(header).not.toContain("Domain");
  const whole = { cookie, "x-sallyport-session": key };
  expect((await get(edge, "/.sallyport/api/v1/session", whole)).status).toBe(200);
  const token = cookie.slice(cookie.indexOf("=") + 1);
  const halves: Record<string, Record<string, string>> = {
    "the cookie": { cookie },
    "the key": { "x-sallyport-session": key },
    "another key": { cookie, "x-sallyport-session": key.replace(/^./, (first) => (first === "0" ? "1" : "0")) },
    "the cookie's token as a bearer": { authorization: `Bearer ${token}` },
    "both, from another site": { ...whole, "sec-fetch-site": "cross-site" },
    "both, from another port": { ...whole, "sec-fetch-site": "same-site" },
    "both, from another origin": { ...whole, origin: "http://evil.example" },
  };
  for (const [name, headers] of Object.entries(halves))
    expect({ name, status: (await get(edge, "/.sallyport/api/v1/session", headers)).status }).toEqual({
      name,
      status: 401,
    });
  // At an address of the machine there are bearers only.
  expect((await get(edge, "/.sallyport/api/v1/session", { ...whole, host: "localhost:8787" })).status).toBe(401);
  expect((await post(edge, { host: "localhost:8787" })).status).toBe(403);
  expect((await get(edge, "/.sallyport/", { host: "localhost:8787" })).status).toBe(404);
});

test("logging out, revoking and a bad secret let nobody in", async () => {
  await using edge = await testEdge();
  const status = async (headers: Record<string, string>): Promise<number> =>
    (await get(edge, "/.sallyport/api/v1/status", headers)).status;
  expect((await post(edge, { origin: "http://evil.example" })).status).toBe(403);
  expect((await post(edge, { "sec-fetch-site": "cross-site" })).status).toBe(403);

  const { cookie, key } = await logIn(edge);
  const session = { cookie, "x-sallyport-session": key };
  expect(await status(session)).toBe(200);
  const out = await send(edge, "DELETE", "/.sallyport/api/v1/session", session);
  expect({ status: out.status, cookie: out.headers["set-cookie"]?.[0] }).toMatchObject({
    status: 200,
    cookie: expect.stringMatching(/Max-Age=0$/),
  });
  expect(await status(session)).toBe(401);

  // By a token that may only look: the session may do no more, and ends with it.
  const token = await edge.ok("token", "admin", "--read-only");
  const reader = await logIn(edge, token);
  const reading = { cookie: reader.cookie, "x-sallyport-session": reader.key };
  expect(await status(reading)).toBe(200);
  const refused = await send(edge, "POST", "/.sallyport/api/v1/sites", reading, JSON.stringify({ name: "lab" }));
  expect(refused.status).toBe(403);
  const { jti } = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as { jti: string };
  await edge.ok("token", "revoke", jti);
  expect(await status(reading)).toBe(401);

  // The next one would have to wait, whatever it says.
  expect((await post(edge, {}, "not the secret, nor any other")).status).toBe(401);
});

test("whoever watches is told of changes, visitors and endings, and let go when the token is revoked", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  await using echo = await echoServer();
  await using agent = await testAgent(edge);
  const { cookie, key } = await logIn(edge);
  await using live = watching(edge, { cookie, origin: edge.url }, key);
  await live.open;
  await edge.ok("map", "add", "8080/tcp", "lab", echo.address);
  await live.until((message) => message.type === "changed" && message.what === "rules");
  const { mappings } = await edge.json<StatusView>("status");
  expect(await exchange(edge.host, 8080, "hello")).toBe("hello");
  const ended = await live.until((message) => message.type === "connections");
  expect(ended).toMatchObject({ connections: [{ endpoint: "8080/tcp", outcome: "done", bytesIn: 5, bytesOut: 5 }] });
  const traffic = await live.until((message) => message.type === "traffic" && message.mappings.length > 0);
  expect(traffic).toMatchObject({ site: "lab", mappings: [{ mapping: mappings[0]?.id, bytesIn: 5, bytesOut: 5 }] });
  const hour = await edge.api("GET", "/traffic", await edge.ok("token", "admin"));
  expect(await hour.json()).toMatchObject({ minutes: 60, mappings: [{ mapping: mappings[0]?.id }] });
  agent.run.kill("SIGTERM");
  await live.until((message) => message.type === "changed" && message.what === "presence");

  const tokens = await edge.json<{ jti: string; scope: string[] }[]>("token", "ls");
  await edge.ok("token", "revoke", tokens.find(({ scope }) => scope.includes("browser"))?.jti ?? "");
  expect(await live.closed).toBe(4401);
});

test("nobody watches without a session of this origin", async () => {
  await using edge = await testEdge();
  const { cookie, key } = await logIn(edge);
  for (const [headers, given] of [
    [{ cookie }, ""],
    [{}, key],
    [{ cookie, origin: "http://evil.example" }, key],
  ] as const) {
    await using live = watching(edge, headers, given);
    await expect(live.open).rejects.toThrow("401");
  }
});

interface Live extends AsyncDisposable {
  readonly open: Promise<void>;
  readonly closed: Promise<number>;
  /** The first message, of those that came and will come, that `fits`. */
  readonly until: (fits: (message: LiveMessage) => boolean) => Promise<LiveMessage>;
}

function watching(edge: TestEdge, headers: Record<string, string>, key: string): Live {
  const url = `${edge.url.replace("http", "ws")}/.sallyport/api/v1/live`;
  // workerd leaves it to the other end to hang up.
  const options: ClientOptions & { closeTimeout: number } = { headers, closeTimeout: 100 };
  const socket = new WebSocket(url, [LIVE_PROTOCOL, ...(key === "" ? [] : [`${KEY_PROTOCOL}${key}`])], options);
  const heard: LiveMessage[] = [];
  let more = Promise.withResolvers<void>();
  socket.on("message", (data: Buffer) => {
    heard.push(JSON.parse(data.toString()) as LiveMessage);
    more.resolve();
    more = Promise.withResolvers();
  });
  const open = new Promise<void>((resolve, reject) => socket.once("open", resolve).once("error", reject));
  const closed = new Promise<number>((resolve) => socket.once("close", resolve));
  return {
    open,
    closed,
    until: async (fits) => {
      for (;;) {
        const found = heard.find(fits);
        if (found !== undefined) return found;
        await more.promise;
      }
    },
    [Symbol.asyncDispose]: async () => socket.terminate(),
  };
}

async function logIn(edge: TestEdge, secret?: string): Promise<{ cookie: string; header: string; key: string }> {
  const { status, headers, body } = await post(edge, { origin: edge.url, "sec-fetch-site": "same-origin" }, secret);
  expect(status).toBe(201);
  const [header = ""] = headers["set-cookie"] ?? [];
  return { header, cookie: header.split(";")[0] ?? "", key: (JSON.parse(body.toString()) as OpenedSession).key };
}

async function post(edge: TestEdge, headers: Record<string, string>, secret?: string) {
  const given = secret ?? (await readFile(edge.secretFile, "utf8")).trim();
  return send(edge, "POST", "/.sallyport/api/v1/session", headers, JSON.stringify({ secret: given }));
}

function get(edge: TestEdge, path: string, headers: Record<string, string> = {}) {
  return send(edge, "GET", path, { "accept-encoding": "gzip", ...headers });
}

/** As a browser would, byte for byte: nothing is decompressed, and every header is ours to choose. */
async function send(edge: TestEdge, method: string, path: string, headers: Record<string, string>, body = "") {
  const sent = request(`${edge.url}${path}`, { method, headers, agent: false }).end(body);
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  sent.on("response", resolve).on("error", reject);
  const response = await promise;
  return { status: response.statusCode ?? 0, headers: response.headers, body: await buffer(response) };
}
