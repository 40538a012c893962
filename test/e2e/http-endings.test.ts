import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import type { StatusView } from "../../shared/rule/api.ts";
import { askHttp, httpOrigin, rawTarget } from "../support/http.ts";
import { openFiles } from "../support/process.ts";
import { testSite, type TestSite } from "../support/site.ts";

const HOST = "shop.localhost";
const LOOK_AGAIN_MS = 100;

const end = (socket: Socket): void => void socket.end();
const reset = (socket: Socket): void => void socket.resetAndDestroy();
const stay = (): void => undefined;

/** What an old or hasty target says, how its connection ends then, and what the visitor must make of it. */
const TARGETS: [string, string, (socket: Socket) => void, { body: string; whole: boolean }][] = [
  ["HTTP/1.0, ended by the connection", "HTTP/1.0 200 OK\r\n\r\nhello", end, { body: "hello", whole: true }],
  ["HTTP/1.0 with a length", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", end, { body: "hello", whole: true }],
  [
    "HTTP/1.0 with keep-alive",
    "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello",
    stay,
    { body: "hello", whole: true },
  ],
  [
    "HTTP/1.1 without a length, ended by the connection",
    "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello",
    end,
    { body: "hello", whole: true },
  ],
  [
    "Connection: close with a length",
    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
    end,
    { body: "hello", whole: true },
  ],
  [
    "a connection left open after Connection: close",
    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
    stay,
    { body: "hello", whole: true },
  ],
  ["HTTP/1.0, reset in the body", "HTTP/1.0 200 OK\r\n\r\nhello", reset, { body: "", whole: false }],
  [
    "HTTP/1.0, short of its length",
    "HTTP/1.0 200 OK\r\nContent-Length: 50\r\n\r\nhello",
    end,
    { body: "", whole: false },
  ],
  [
    "HTTP/1.1 without a length, reset in the body",
    "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello",
    reset,
    { body: "", whole: false },
  ],
  [
    "Connection: close, short of its length",
    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 50\r\n\r\nhello",
    end,
    { body: "", whole: false },
  ],
  [
    "chunks without their end",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    end,
    { body: "", whole: false },
  ],
  [
    "chunks, then a reset",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    reset,
    { body: "", whole: false },
  ],
];

test("targets of HTTP/1.0 and such that close connections are read to their end, and a cut one never looks whole", async () => {
  await using site = await testSite();
  await using target = await rawTarget();
  await site.map(`http://${HOST}`, `http://${target.host}:${target.port}`);
  for (const [what, answer, ending, wanted] of TARGETS) {
    target.answer = (socket) => {
      // Its own writes first: a reset takes back what has not left.
      socket.write(answer, () => setTimeout(() => ending(socket), 50));
    };
    const got = await askHttp(site.edge.url, HOST);
    if (wanted.whole)
      expect({ what, status: got.status, body: got.body.toString(), whole: got.whole }).toEqual({
        what,
        status: 200,
        ...wanted,
      });
    else expect({ what, whole: got.whole && got.status === 200 }).toEqual({ what, whole: false });
  }
});

test("an upload whose visitor disappears half-way leaves nothing behind: no stream, no socket", async () => {
  await using site = await testSite();
  await using origin = await httpOrigin((request) => void request.on("error", () => undefined).resume());
  await site.map(`http://${HOST}`, origin.url);
  const { hostname, port } = new URL(site.edge.url);
  const streams = await counter(site);
  const before = await openFiles(site.agent.pid);
  for (const framing of [{ "content-length": 1_000_000 }, { "transfer-encoding": "chunked" }]) {
    const uploads = Array.from({ length: 10 }, () =>
      httpRequest({ host: hostname, port, method: "PUT", agent: false, headers: { host: HOST, ...framing } }),
    );
    for (const upload of uploads) upload.on("error", () => undefined).write("x".repeat(50_000));
    while ((await streams()) < uploads.length) await sleep(LOOK_AGAIN_MS);
    for (const upload of uploads) upload.destroy();
    while ((await streams()) > 0) await sleep(LOOK_AGAIN_MS);
    while ((await connections(origin.server)) > 0) await sleep(LOOK_AGAIN_MS);
  }
  while ((await openFiles(site.agent.pid)) > before) await sleep(LOOK_AGAIN_MS);
});

test("a long poll is answered when there is something to say, and one that is given up ends at the target", async () => {
  await using site = await testSite();
  const waiting: (() => void)[] = [];
  const gone: string[] = [];
  await using origin = await httpOrigin((request, response) => {
    response.on("close", () => response.writableFinished || gone.push(request.url ?? ""));
    waiting.push(() => void response.end("news"));
  });
  await site.map(`http://${HOST}`, origin.url);
  const polls = Array.from({ length: 20 }, () => askHttp(site.edge.url, HOST));
  while (waiting.length < polls.length) await sleep(LOOK_AGAIN_MS);
  for (const answer of waiting.splice(0)) answer();
  for (const poll of await Promise.all(polls))
    expect({ ...poll, body: String(poll.body) }).toMatchObject({ body: "news" });

  const { hostname, port } = new URL(site.edge.url);
  const given = httpRequest({ host: hostname, port, agent: false, headers: { host: HOST } });
  given.on("error", () => undefined).end();
  while (waiting.length === 0) await sleep(LOOK_AGAIN_MS);
  // A reset is seen at once, a plain close not before something is written (docs/http.md).
  given.socket?.resetAndDestroy();
  while (gone.length === 0) await sleep(LOOK_AGAIN_MS);
});

test("an answer that goes on while the visitor's body still comes is not held back by it", async () => {
  await using site = await testSite();
  // It answers without having read: an upload that is refused early.
  await using origin = await httpOrigin((request, response) => {
    response.writeHead(413, { connection: "close" }).end("too large");
    request.on("error", () => undefined);
  });
  await site.map(`http://${HOST}`, origin.url);
  const { hostname, port } = new URL(site.edge.url);
  const upload = httpRequest({ host: hostname, port, method: "PUT", agent: false, headers: { host: HOST } });
  upload.on("error", () => undefined).write("x".repeat(10_000));
  const [response] = (await once(upload, "response")) as [IncomingMessage];
  expect(response.statusCode).toBe(413);
  upload.destroy();
});

/** Asks for the agent's live streams. */
async function counter(site: TestSite): Promise<() => Promise<number>> {
  const token = await site.edge.ok("token", "admin");
  return async () => {
    const { sites } = (await (await site.edge.api("GET", "/status", token)).json()) as StatusView;
    return sites[0]?.agents[0]?.streams ?? 0;
  };
}

async function connections(server: { getConnections: (got: (error: Error | null, count: number) => void) => void }) {
  return await new Promise<number>((resolve) => server.getConnections((_error, count) => resolve(count)));
}
