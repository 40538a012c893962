import { createHash } from "node:crypto";
import { once } from "node:events";
import type { Readable } from "node:stream";
import WebSocket from "ws";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { noise, sha256 } from "../support/bytes.ts";
import { loopback } from "../support/net.ts";
import { tcpServer } from "../support/peers.ts";
import { testSite, type TestSite } from "../support/site.ts";

type Options = { protocol?: string; headers?: Record<string, string> };

function open(site: TestSite, endpoint: string, { protocol, headers = {} }: Options): WebSocket {
  const url = `${site.edge.url.replace("http", "ws")}/.sallyport/tcp/${endpoint}`;
  return protocol === undefined ? new WebSocket(url, { headers }) : new WebSocket(url, protocol, { headers });
}

/** The status that refuses an upgrade. */
async function refused(socket: WebSocket): Promise<number> {
  socket.on("error", () => undefined);
  const [, response] = (await once(socket, "unexpected-response")) as [unknown, { statusCode: number }];
  socket.terminate();
  return response.statusCode;
}

const bearer = (file: string): Record<string, string> => ({ authorization: `Bearer ${readFileSync(file, "utf8")}` });

test("a WebSocket with a bearer is the target's byte stream, as websockify speaks it", async () => {
  await using site = await testSite();
  await using echo = await tcpServer(loopback());
  await site.map("5900/tcp", `${echo.host}:${echo.port}`, "--access", "token");
  await site.map("lab/vnc", `${echo.host}:${echo.port}`);
  const token = await site.token("visitor", "--endpoint", "5900/tcp", "--endpoint", "lab/vnc");
  for (const endpoint of ["5900/tcp", "lab/vnc", encodeURIComponent("5900/tcp")]) {
    const socket = open(site, endpoint, { protocol: "binary", headers: bearer(token) });
    await once(socket, "open");
    expect(socket.protocol).toBe("binary");
    const sent = Buffer.alloc(1_000_000, `bytes for ${endpoint} `);
    const whole = new Promise<Buffer>((resolve) => {
      let received = Buffer.alloc(0);
      socket.on("message", (bytes: Buffer) => {
        received = Buffer.concat([received, bytes]);
        if (received.length === sent.length) resolve(received);
      });
    });
    for (let at = 0; at < sent.length; at += 10_000) socket.send(sent.subarray(at, at + 10_000));
    expect(sha256(await whole)).toBe(sha256(sent));
    socket.close();
    await once(socket, "close");
  }
});

test("an end in order closes in order; a broken stream says so", async () => {
  await using site = await testSite();
  await using polite = await tcpServer(loopback(), 0, (socket) => void socket.end("bye"));
  await using rude = await tcpServer(loopback(), 0, (socket) => {
    // The agent finds data and reset together, which the libuv of Node 20 calls an end.
    socket.once("data", () => {
      process.kill(site.agent.pid, "SIGSTOP");
      socket.write("b", () => {
        socket.resetAndDestroy().once("close", () => process.kill(site.agent.pid, "SIGCONT"));
      });
    });
  });
  await site.map("lab/polite", `${polite.host}:${polite.port}`);
  await site.map("lab/rude", `${rude.host}:${rude.port}`);
  await site.map("lab/nobody", `${loopback()}:9`);
  const headers = bearer(await site.token("visitor", "--endpoint", "lab/*"));
  const codeOf = async (endpoint: string): Promise<number> => {
    const socket = open(site, endpoint, { headers });
    socket.on("open", () => socket.send(Buffer.from("hello")));
    return ((await once(socket, "close")) as [number])[0];
  };
  expect(await codeOf("lab/polite")).toBe(1000);
  expect(await codeOf("lab/rude")).toBe(1011);
  expect(await codeOf("lab/nobody")).toBe(1011);
});

test("strangers, other tokens and pages of other hosts are refused", async () => {
  await using site = await testSite();
  await site.map("lab/a", "127.0.0.1:9");
  await site.map("lab/b", "127.0.0.1:9");
  const a = bearer(await site.token("visitor", "--endpoint", "lab/a"));
  const gateway = bearer(await site.token("gateway"));
  expect(await refused(open(site, "lab/a", {}))).toBe(401);
  expect(await refused(open(site, "lab/b", { headers: a }))).toBe(403);
  expect(await refused(open(site, "lab/a", { headers: gateway }))).toBe(403);
  expect(await refused(open(site, "lab/a", { headers: { ...a, origin: "https://evil.example" } }))).toBe(403);
  expect(await refused(open(site, "nonsense", { headers: a }))).toBe(404);
});

test("a path that can't be decoded is not found, and costs no line in the log", async () => {
  await using site = await testSite();
  const before = site.edge.serve.stderr.length + site.edge.serve.stdout.length;
  for (const path of ["%zz", "%", "%c0%af", "a%/b", "%E2%82", "lab/%ff"]) {
    expect(await refused(open(site, path, {}))).toBe(404);
    const response = await fetch(`${site.edge.url}/.sallyport/tcp/${path}`);
    expect({ path, status: response.status }).toEqual({ path, status: 404 });
  }
  expect(site.edge.serve.stderr.length + site.edge.serve.stdout.length).toBe(before);
});

test("a page gets a cookie for one endpoint, good from its own origin only", async () => {
  await using site = await testSite();
  await using echo = await tcpServer(loopback());
  await site.map("lab/a", `${echo.host}:${echo.port}`);
  await site.map("lab/b", `${echo.host}:${echo.port}`);
  const token = bearer(await site.token("visitor", "--endpoint", "lab/*"));
  const response = await fetch(`${site.edge.url}/.sallyport/tcp/lab/a`, { method: "POST", headers: token });
  expect(response.status).toBe(204);
  const given = response.headers.get("set-cookie") ?? "";
  expect(given).toMatch(/Path=\/\.sallyport\/tcp\/lab\/a; HttpOnly; SameSite=Strict; Max-Age=\d+$/);
  const cookie = given.split(";")[0] ?? "";
  const origin = site.edge.url;
  const socket = open(site, "lab/a", { headers: { cookie, origin } });
  await once(socket, "open");
  socket.send(Buffer.from("hello"));
  expect(String(((await once(socket, "message")) as [Buffer])[0])).toBe("hello");
  socket.close();
  expect(await refused(open(site, "lab/b", { headers: { cookie, origin } }))).toBe(403);
  expect(await refused(open(site, "lab/a", { headers: { cookie } }))).toBe(401);
  expect(await refused(open(site, "lab/a", { headers: { cookie, origin: "http://evil.example" } }))).toBe(403);
});

test("revoking the token ends what is open", async () => {
  await using site = await testSite();
  await using echo = await tcpServer(loopback());
  await site.map("lab/a", `${echo.host}:${echo.port}`);
  const socket = open(site, "lab/a", { headers: bearer(await site.token("visitor", "--endpoint", "lab/a")) });
  await once(socket, "open");
  socket.send(Buffer.from("x"));
  await once(socket, "message");
  const tokens = await site.edge.json<{ jti: string; kind: string }[]>("token", "ls");
  const closed = once(socket, "close");
  await site.edge.ok("token", "revoke", tokens.find(({ kind }) => kind === "visitor")?.jti ?? "");
  expect(((await closed) as [number])[0]).toBe(1011);
});

test("a visitor who sends more than the target takes is cut off, before the edge has to keep it all", async () => {
  await using site = await testSite();
  await using deaf = await tcpServer(loopback(), 0, (socket) => void socket.pause());
  await site.map("lab/deaf", `${deaf.host}:${deaf.port}`);
  const socket = open(site, "lab/deaf", { headers: bearer(await site.token("visitor", "--endpoint", "lab/deaf")) });
  const closed = once(socket, "close") as Promise<[number]>;
  await once(socket, "open");
  // What credit, the kernels' buffers and the edge's own 8 MiB hold is less than this.
  for (let sent = 0; sent < 64; sent += 1) socket.send(Buffer.alloc(1024 * 1024));
  expect((await closed)[0]).toBe(1009);
});

test("a visitor who reads late gets every byte", async () => {
  await using site = await testSite();
  const bytes = 24 * 1024 * 1024;
  await using target = await tcpServer(loopback(), 0, (socket) => void noise(bytes).pipe(socket));
  await site.map("lab/a", `${target.host}:${target.port}`);
  const socket = open(site, "lab/a", { headers: bearer(await site.token("visitor", "--endpoint", "lab/a")) });
  const hash = createHash("sha256");
  let received = 0;
  socket.on("message", (chunk: Buffer) => {
    hash.update(chunk);
    // Stops after each MiB, until the kernel's buffers have filled up behind it.
    if (Math.floor(received / 2 ** 20) !== Math.floor((received += chunk.byteLength) / 2 ** 20)) {
      socket.pause();
      setTimeout(() => socket.resume(), 20);
    }
  });
  expect(((await once(socket, "close")) as [number])[0]).toBe(1000);
  expect({ received, sha256: hash.digest("hex") }).toEqual({ received: bytes, sha256: await sha256Of(noise(bytes)) });
});

async function sha256Of(stream: Readable): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of stream) hash.update(chunk as Buffer);
  return hash.digest("hex");
}
