import { once } from "node:events";
import { request as httpRequest, type IncomingMessage, type RequestListener } from "node:http";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import type { ConnectionView } from "../../shared/rule/api.ts";
import { digest, noise, sha256 } from "../support/bytes.ts";
import { askHttp, httpOrigin, rawTarget, rawVisit } from "../support/http.ts";
import { testSite } from "../support/site.ts";

const HOST = "shop.localhost";
const MIB = 1024 * 1024;

/** A site with one HTTP endpoint, `http://shop.localhost`, in front of this handler. */
async function shop(handler: (...words: Parameters<RequestListener>) => unknown, ...options: readonly string[]) {
  await using stack = new AsyncDisposableStack();
  const site = stack.use(await testSite());
  const origin = stack.use(await httpOrigin((request, response) => void handler(request, response)));
  await site.map(`http://${HOST}`, origin.url, ...options);
  const owned = stack.move();
  return { site, edge: site.edge, origin, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

const METHODS = [
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "PATCH",
  "DELETE",
  "OPTIONS",
  "PROPFIND",
  "MOVE",
  "LOCK",
  "REPORT",
  "MKCOL",
];

test("methods, paths, headers, bodies and statuses pass both ways as they are", async () => {
  await using it = await shop((request, response) => {
    const status = Number(/status=(\d+)/.exec(request.url ?? "")?.[1] ?? 200);
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      const body = JSON.stringify({
        method: request.method,
        url: request.url,
        body: Buffer.concat(parts).toString(),
        custom: request.headers["x-custom"],
      });
      response.writeHead(
        status,
        "As It Is",
        [
          ["Set-Cookie", "a=1; Path=/"],
          ["Set-Cookie", "b=2"],
          ["X-Twice", "1"],
          ["X-Twice", "2"],
          ["X-Utf8", Buffer.from("é€").toString("latin1")],
        ].flat(),
      );
      response.end(body);
    });
  });
  for (const method of METHODS) {
    const body = ["POST", "PUT", "PATCH", "REPORT"].includes(method) ? "a body" : undefined;
    const path = "/a/../b//c/%2e%2e/%2F;x?q=%zz&r=a+b&s=%20";
    const got = await askHttp(it.edge.url, HOST, {
      method,
      path,
      headers: { "x-custom": "1, 2" },
      ...(body === undefined ? {} : { body }),
    });
    expect({ method, status: got.status, reason: got.reason }).toEqual({ method, status: 200, reason: "As It Is" });
    if (method !== "HEAD")
      expect(JSON.parse(got.body.toString())).toEqual({ method, url: path, body: body ?? "", custom: "1, 2" });
    expect(got.headers["set-cookie"]).toEqual(["a=1; Path=/", "b=2"]);
    expect(got.headers["x-twice"]).toBe("1, 2");
    expect(Buffer.from(String(got.headers["x-utf8"]), "latin1").toString()).toBe("é€");
  }
  for (const status of [201, 204, 205, 206, 301, 304, 400, 401, 404, 418, 500, 503, 599]) {
    const got = await askHttp(it.edge.url, HOST, { path: `/?status=${status}` });
    expect({ status: got.status, whole: got.whole }).toEqual({ status, whole: true });
  }
});

test("a request without a body has none for the target, whatever its method", async () => {
  await using site = await testSite();
  await using target = await rawTarget();
  await site.map(`http://${HOST}`, `http://${target.host}:${target.port}`);
  for (const method of [...METHODS, "COPY", "UNLOCK", "PURGE", "TRACE"]) {
    const before = target.received.map((each) => each.length);
    await rawVisit(site.edge.host, 8787, `${method} / HTTP/1.1\r\nHost: ${HOST}:8787\r\nConnection: close\r\n\r\n`);
    const heard = target.received.map((each, nth) => each.slice(before[nth] ?? 0)).join("");
    const framing = /^(?:content-length|transfer-encoding): .*$/im.exec(heard)?.[0].toLowerCase() ?? "none";
    expect({ method, framing, body: heard.split("\r\n\r\n")[1] }).toEqual({
      method,
      framing: ["GET", "HEAD", "DELETE", "OPTIONS", "TRACE"].includes(method) ? "none" : "content-length: 0",
      body: "",
    });
  }
});

test("ranges, compressed bodies and lengths are the target's, byte for byte", async () => {
  const zipped = gzipSync("hello ".repeat(1000));
  await using it = await shop((request, response) => {
    if (request.url === "/zip") {
      response.writeHead(200, { "content-encoding": "gzip", "content-length": zipped.length });
      return response.end(zipped);
    }
    response.writeHead(206, { "content-range": "bytes 2-4/9", "content-length": 3, "accept-ranges": "bytes" });
    return response.end(request.method === "HEAD" ? undefined : "cde");
  });
  const zip = await askHttp(it.edge.url, HOST, { path: "/zip", headers: { "accept-encoding": "gzip" } });
  expect(zip.body.equals(zipped)).toBe(true);
  expect(zip.headers).toMatchObject({ "content-encoding": "gzip", "content-length": String(zipped.length) });
  expect(await askHttp(it.edge.url, HOST, { path: "/" })).toMatchObject({
    status: 206,
    headers: { "content-range": "bytes 2-4/9", "content-length": "3" },
  });
  expect(await askHttp(it.edge.url, HOST, { method: "HEAD", path: "/" })).toMatchObject({
    status: 206,
    headers: { "content-length": "3" },
  });
});

test("large bodies pass both ways whole, with a length and without one", async () => {
  await using it = await shop(async (request, response) => {
    if (request.method === "GET") {
      if (request.url === "/length") response.setHeader("content-length", 24 * MIB);
      noise(24 * MIB).pipe(response);
    } else {
      response.end((await digest(request)).sha256);
    }
  });
  const expected = await digest(noise(24 * MIB));
  for (const path of ["/length", "/chunks"]) {
    const got = await askHttp(it.edge.url, HOST, { path });
    expect({ path, sha256: sha256(got.body), whole: got.whole }).toEqual({
      path,
      sha256: expected.sha256,
      whole: true,
    });
    expect(got.headers["content-length"]).toBe(path === "/length" ? String(24 * MIB) : undefined);
  }
  for (const length of [true, false]) {
    const { hostname, port } = new URL(it.edge.url);
    const request = httpRequest({
      host: hostname,
      port,
      method: "PUT",
      headers: { host: `${HOST}:${port}`, ...(length ? { "content-length": 24 * MIB } : {}) },
    });
    noise(24 * MIB).pipe(request);
    const [response] = (await once(request, "response")) as [IncomingMessage];
    expect(await text(response)).toBe(expected.sha256);
  }
});

test("the first byte passes when it comes, in both directions at once", async () => {
  await using it = await shop((request, response) => {
    response.writeHead(200);
    request.on("data", (part: Buffer) => response.write(`got ${part.toString()};`));
    request.on("end", () => response.end("end"));
  });
  const { request, response, parts } = await conversation(it.edge.url, "POST");
  for (const word of ["one", "two", "three"]) {
    request.write(word);
    expect(await parts.next()).toBe(`got ${word};`);
  }
  request.end();
  expect(await parts.next()).toBe("end");
  expect(response().statusCode).toBe(200);
});

test("an answer that breaks off is an error, never a short success", async () => {
  await using it = await shop((request, response) => {
    if (request.url === "/length") response.setHeader("content-length", 100_000);
    response.write("x".repeat(5000));
    setTimeout(() => request.socket.destroy(), 50);
  });
  for (const path of ["/length", "/chunks"]) {
    const got = await askHttp(it.edge.url, HOST, { path });
    expect({ path, status: got.status, whole: got.whole }).toEqual({ path, status: 200, whole: false });
  }
  // Nothing is wrong with the edge.
  expect(it.edge.serve.stderr).not.toMatch(/Uncaught/);
});

test("an upload whose visitor disappears half-way is cut at the target, too", async () => {
  const ended = Promise.withResolvers<boolean>();
  const begun = Promise.withResolvers<void>();
  await using it = await shop((request) => {
    request.once("data", () => begun.resolve());
    request.on("error", () => undefined);
    request.on("close", () => ended.resolve(request.complete));
    request.resume();
  });
  const { hostname, port } = new URL(it.edge.url);
  const request = httpRequest({
    host: hostname,
    port,
    method: "PUT",
    headers: { host: `${HOST}:${port}`, "content-length": 1_000_000 },
  });
  request.on("error", () => undefined);
  request.write("x".repeat(50_000));
  await begun.promise;
  request.destroy();
  expect(await ended.promise).toBe(false);
});

test("a visitor who leaves an endless answer ends it at the target", async () => {
  const ended = Promise.withResolvers<void>();
  await using it = await shop((_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    const timer = setInterval(() => response.write("data: x\n\n"), 20);
    response.on("close", () => {
      clearInterval(timer);
      ended.resolve();
    });
  });
  const { request, parts } = await conversation(it.edge.url, "GET");
  request.end();
  expect(await parts.next()).toContain("data: x");
  request.destroy();
  await ended.promise;
});

test("a target that stops reading stops the visitor, and one that is not read is stopped: nothing is buffered whole", async () => {
  let sent = 0;
  await using it = await shop((request, response) => {
    if (request.method === "PUT") return;
    response.writeHead(200);
    const chunk = Buffer.alloc(64 * 1024);
    const pour = (): void => {
      while (sent < 512 * MIB && response.write(chunk)) sent += chunk.length;
    };
    response.on("drain", pour);
    pour();
  });
  const { hostname, port } = new URL(it.edge.url);
  const upload = httpRequest({ host: hostname, port, method: "PUT", headers: { host: `${HOST}:${port}` } });
  upload.on("error", () => undefined);
  const download = httpRequest({ host: hostname, port, headers: { host: `${HOST}:${port}` } });
  download.on("error", () => undefined).end();
  const [response] = (await once(download, "response")) as [IncomingMessage];
  response.on("error", () => undefined).pause();
  let taken = 0;
  const chunk = Buffer.alloc(64 * 1024);
  const push = (): void =>
    void upload.write(chunk, () => {
      taken += chunk.length;
      if (taken < 512 * MIB) push();
    });
  push();
  let before: number;
  do {
    before = sent + taken;
    await new Promise((resolve) => setTimeout(resolve, 700));
  } while (sent + taken > before);
  expect(sent).toBeLessThan(64 * MIB);
  expect(taken).toBeLessThan(64 * MIB);
  upload.destroy();
  download.destroy();
});

test("100 comes from the target, and so does its refusal", async () => {
  await using it = await shop((_request, response) => response.end("unexpected"));
  it.origin.server.on("checkContinue", (request: IncomingMessage, response) => {
    if (request.url === "/no") return response.writeHead(417).end("no");
    response.writeContinue();
    return void digest(request).then(({ bytes }) => response.end(`${bytes} bytes`));
  });
  for (const [path, status, body, continued] of [
    ["/yes", 200, "5 bytes", true],
    ["/no", 417, "no", false],
  ] as const) {
    const { hostname, port } = new URL(it.edge.url);
    const request = httpRequest({
      host: hostname,
      port,
      path,
      method: "PUT",
      agent: false,
      headers: { host: `${HOST}:${port}`, expect: "100-continue", "content-length": 5 },
    });
    let asked = false;
    request.on("continue", () => {
      asked = true;
      request.end("hello");
    });
    request.on("error", () => undefined);
    request.flushHeaders();
    const [response] = (await once(request, "response")) as [IncomingMessage];
    expect({ status: response.statusCode, body: await text(response), asked }).toEqual({
      status,
      body,
      asked: continued,
    });
    request.destroy();
  }
});

test("connections to a target are kept and used again, and one that the target closed is not noticed by visitors", async () => {
  const sockets = new Set<unknown>();
  await using it = await shop((request, response) => {
    sockets.add(request.socket);
    response.end(String(sockets.size));
  });
  for (let round = 0; round < 5; round += 1) expect((await askHttp(it.edge.url, HOST)).body.toString()).toBe("1");
  it.origin.server.closeIdleConnections();
  expect((await askHttp(it.edge.url, HOST)).status).toBe(200);
});

test("every request is in the log, with what came of it", async () => {
  await using it = await shop((request, response) => {
    if (request.url === "/cut") request.socket.destroy();
    else response.end("hello");
  });
  await askHttp(it.edge.url, HOST, { method: "POST", body: "abc" });
  const cut = await askHttp(it.edge.url, HOST, { path: "/cut", headers: { accept: "application/json" } });
  expect(cut.status).toBe(502);
  const { request } = JSON.parse(cut.body.toString()) as { request: string };
  let log: ConnectionView[] = [];
  while (log.length < 2) log = await it.edge.json<ConnectionView[]>("log");
  expect(log).toMatchObject([
    { endpoint: `http://${HOST}`, outcome: "done", bytesIn: 3, bytesOut: 5 },
    {
      endpoint: `http://${HOST}`,
      outcome: "reset",
      code: "target-reset",
      reason: expect.stringContaining(request) as unknown,
    },
  ]);
});

/** A request under way, whose answer can be read piece by piece. */
async function conversation(at: string, method: string) {
  const { hostname, port } = new URL(at);
  const request = httpRequest({
    host: hostname,
    port,
    method,
    agent: false,
    headers: { host: `${HOST}:${port}`, ...(method === "GET" ? {} : { "transfer-encoding": "chunked" }) },
  });
  request.on("error", () => undefined);
  request.flushHeaders();
  let response: IncomingMessage | undefined;
  async function* pieces(): AsyncGenerator<string, string> {
    [response] = (await once(request, "response")) as [IncomingMessage];
    response.on("error", () => undefined);
    for await (const piece of response) yield String(piece);
    return "";
  }
  const iterator = pieces();
  return {
    request,
    response: () => response ?? ({} as IncomingMessage),
    parts: { next: async () => (await iterator.next()).value },
  };
}

async function text(response: IncomingMessage): Promise<string> {
  let all = "";
  for await (const part of response) all += String(part);
  return all;
}
