import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { expect, test } from "vitest";
import WebSocket from "ws";
import type { ConnectionView } from "../../shared/rule/api.ts";
import { askHttp, httpOrigin } from "../support/http.ts";
import { loopback } from "../support/net.ts";
import { ask, tcpServer, udpServer, UdpVisitor } from "../support/peers.ts";
import { listeningAt, testSite, type TestSite } from "../support/site.ts";

test("new streams a second are counted by source, at a port, at a host, through a client, a gateway and as WebSockets", async () => {
  await using site = await testSite({ tcp: "8080" });
  await using echo = await tcpServer(loopback());
  await using origin = await httpOrigin((_, response) => response.end("ok"));
  const limit = ["--new-per-second", "1"];
  await site.map("8080/tcp", `${echo.host}:${echo.port}`, ...limit);
  await site.map("http://app.localhost:8787", origin.url, ...limit);
  const gateway = await site.token("gateway", "--endpoint", "9000/tcp", "--endpoint", "9001/udp");
  const endpoints = ["lab/echo", "lab/raw", "9000/tcp", "9001/udp"];
  await using udp = await udpServer(loopback());
  for (const endpoint of endpoints) {
    const target = endpoint.endsWith("/udp") ? udp : echo;
    await site.map(endpoint, `${target.host}:${target.port}`, ...limit);
  }
  const token = await site.token("visitor", "--endpoint", "lab/*");
  const client = await site.connect(token, "lab/echo");
  const local = await listeningAt(client, "lab/echo");
  const bind = loopback();
  await site.gateway(gateway, "--bind", bind);

  const port = await Promise.all(Array.from({ length: 8 }, () => said(site.edge.host, 8080)));
  expect(port.filter((text) => text === "hello").length).toBeLessThan(8);
  expect(port).toContain("hello");
  expect(await ask(site.edge.host, 8080, "hello", loopback())).toBe("hello");
  const host = await Promise.all(Array.from({ length: 8 }, () => askHttp(site.edge.url, "app.localhost")));
  expect(new Set(host.map(({ status }) => status))).toEqual(new Set([200, 429]));
  const through = await Promise.all(Array.from({ length: 8 }, () => said(local.host, local.port)));
  expect(through).toContain("hello");
  expect(through.filter((text) => text === "hello").length).toBeLessThan(8);
  const owned = await Promise.all(Array.from({ length: 8 }, () => said(bind, 9000)));
  expect(owned).toContain("hello");
  expect(owned.filter((text) => text === "hello").length).toBeLessThan(8);
  const raw = await Promise.all(Array.from({ length: 8 }, () => saidRaw(site, "lab/raw", token)));
  expect(raw).toContain("hello");
  expect(raw.filter((text) => text === "hello").length).toBeLessThan(8);
  // Each flow is another port of one source: those that are refused are let in when they ask again, one a second.
  await using flows = new AsyncDisposableStack();
  const visitors = Array.from({ length: 4 }, () => flows.use(new UdpVisitor({ host: bind, port: 9001 })));
  await Promise.all(visitors.map((visitor) => visitor.ask("hello")));
  for (const endpoint of ["8080/tcp", "http://app.localhost:8787", ...endpoints]) {
    expect(await logged(site, endpoint, "too-many")).toMatchObject({ outcome: "refused" });
  }
});

test("bytes a second are a pace, not a loss: at a port, at a host, through a client, a gateway and as a WebSocket", async () => {
  await using site = await testSite({ tcp: "8080" });
  await using echo = await tcpServer(loopback());
  const text = "0123456789abcdef".repeat(4 * 1024);
  await using origin = await httpOrigin((_, response) => response.end(text));
  const limit = ["--bytes-per-second", "32K"];
  await site.map("8080/tcp", `${echo.host}:${echo.port}`, ...limit);
  await site.map("http://app.localhost:8787", origin.url, ...limit);
  const gateway = await site.token("gateway", "--endpoint", "9000/tcp");
  for (const endpoint of ["lab/echo", "lab/raw", "9000/tcp"])
    await site.map(endpoint, `${echo.host}:${echo.port}`, ...limit);
  const token = await site.token("visitor", "--endpoint", "lab/*");
  const client = await site.connect(token, "lab/echo");
  const local = await listeningAt(client, "lab/echo");
  const bind = loopback();
  await site.gateway(gateway, "--bind", bind);

  const began = performance.now();
  const [port, host, through, owned, raw] = await Promise.all([
    ask(site.edge.host, 8080, text),
    askHttp(site.edge.url, "app.localhost"),
    ask(local.host, local.port, text),
    ask(bind, 9000, text),
    saidRaw(site, "lab/raw", token, text),
  ]);
  // Each is two seconds' worth. Slower machines take longer, none is faster than the rate and its burst.
  expect(performance.now() - began).toBeGreaterThan(1_400);
  expect(port === text).toBe(true);
  expect(host.body.toString() === text).toBe(true);
  expect(through === text).toBe(true);
  expect(owned === text).toBe(true);
  expect(raw === text).toBe(true);
});

test("an expired mapping closes what is open, at a port and through a client, and opens nothing new", async () => {
  await using site = await testSite({ tcp: "8080" });
  await using echo = await tcpServer(loopback());
  await site.map("8080/tcp", `${echo.host}:${echo.port}`, "--expires", "1h");
  await site.map("lab/echo", `${echo.host}:${echo.port}`, "--expires", "1h");
  const client = await site.connect(await site.token("visitor", "--endpoint", "lab/*"), "lab/echo");
  const local = await listeningAt(client, "lab/echo");
  const sockets = [connect(8080, site.edge.host), connect(local.port, local.host)];
  const gone = sockets.map((socket) => closed(socket));
  for (const socket of sockets) {
    socket.write("hello");
    await once(socket, "data");
  }
  await site.edge.ok("map", "edit", "lab/echo", "--expires", "2s");
  await site.edge.ok("map", "edit", "8080/tcp", "--expires", "2s");
  await Promise.all(gone);
  expect(await said(site.edge.host, 8080)).toBe("");
  expect(await said(local.host, local.port)).toBe("");
  const rows = await site.edge.json<{ endpoint: string }[]>("map", "ls", "--expired");
  expect(rows).toMatchObject([{ endpoint: "8080/tcp" }, { endpoint: "lab/echo" }]);
});

/** What comes back for a word; "" when the connection ends without any. */
async function said(host: string, port: number): Promise<string> {
  const socket = connect(port, host);
  const over = closed(socket);
  socket.write("hello");
  const heard: string[] = [];
  socket.setEncoding("utf8").on("data", (text: string) => {
    heard.push(text);
    socket.end();
  });
  await over;
  return heard.join("");
}

/** The same through a WebSocket of the edge's own: all of `words` back, or what came before it was closed or refused. */
async function saidRaw(site: TestSite, endpoint: string, file: string, words = "hello"): Promise<string> {
  const url = `${site.edge.url.replace("http", "ws")}/.sallyport/tcp/${endpoint}`;
  const headers = { authorization: `Bearer ${readFileSync(file, "utf8")}` };
  const socket = new WebSocket(url, "binary", { headers });
  let heard = "";
  socket.on("error", () => undefined).on("open", () => socket.send(Buffer.from(words)));
  socket.on("message", (bytes: Buffer) => {
    heard += bytes.toString();
    if (heard.length === words.length) socket.close();
  });
  await once(socket, "close");
  return heard;
}

/** However it ends: a reset is an ending like any other here. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => void socket.on("error", () => undefined).once("close", () => resolve()));
}

/** The last refusal with this code at an endpoint; it is written down a moment after its visitor has seen it. */
async function logged(site: TestSite, endpoint: string, code: string): Promise<ConnectionView> {
  for (;;) {
    const rows = await site.edge.json<ConnectionView[]>("log");
    const found = rows.findLast((row) => row.endpoint === endpoint && row.code === code);
    if (found !== undefined) return found;
  }
}
