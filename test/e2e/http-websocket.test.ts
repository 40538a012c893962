import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { sha256 } from "../support/bytes.ts";
import { httpOrigin } from "../support/http.ts";
import { testSite, type TestSite } from "../support/site.ts";

const HOST = "chat.localhost";
const MIB = 1024 * 1024;

function visit(site: TestSite, path: string, protocols: string[] = []): WebSocket {
  const { host } = site.edge;
  const headers = { host: `${HOST}:8787`, origin: `http://${HOST}:8787` };
  return new WebSocket(`ws://${host}:8787${path}`, protocols, {
    headers,
    perMessageDeflate: false,
    maxPayload: 64 * MIB,
  });
}

/** A site whose `chat.localhost` is a WebSocket server; `/deny` refuses the handshake. */
async function chat(serve: (socket: WebSocket, request: IncomingMessage) => void) {
  await using stack = new AsyncDisposableStack();
  const site = stack.use(await testSite());
  const origin = stack.use(await httpOrigin((_request, response) => void response.writeHead(404).end("nothing")));
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: 64 * MIB,
    handleProtocols: (offered) => [...offered].at(-1) ?? false,
  });
  server.on("headers", (headers) => headers.push("Set-Cookie: seen=1"));
  origin.server.on("upgrade", (request, socket, head) => {
    if (request.url === "/deny")
      socket.end("HTTP/1.1 401 Unauthorized\r\nX-Why: because\r\nContent-Length: 4\r\n\r\nnope");
    else server.handleUpgrade(request, socket, head, (accepted) => serve(accepted, request));
  });
  await site.map(`http://${HOST}`, origin.url);
  const owned = stack.move();
  return { site, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

test("the target's answer to the handshake is what the visitor hears: 101 with its headers, or its refusal", async () => {
  let heard: IncomingMessage["headers"] = {};
  await using it = await chat((_socket, request) => {
    heard = request.headers;
  });
  const socket = visit(it.site, "/room?a=1", ["one", "two"]);
  const opened = once(socket, "open");
  const [response] = (await once(socket, "upgrade")) as [IncomingMessage];
  expect(response.headers["set-cookie"]).toEqual(["seen=1"]);
  await opened;
  expect(socket.protocol).toBe("two");
  expect(heard).toMatchObject({ host: `${HOST}:8787`, origin: `http://${HOST}:8787`, "x-forwarded-proto": "http" });
  socket.terminate();

  for (const [path, status, body] of [
    ["/deny", 401, "nope"],
    ["/.sallyport/x", 404, "Not found"],
  ] as const) {
    const refused = visit(it.site, path);
    refused.on("error", () => undefined);
    const [, answer] = (await once(refused, "unexpected-response")) as [unknown, IncomingMessage];
    let text = "";
    for await (const part of answer) text += String(part);
    expect({ status: answer.statusCode, text }).toMatchObject({
      status,
      text: expect.stringContaining(body) as unknown,
    });
  }
});

test("messages keep their type, their boundaries and their order, small, empty and large", async () => {
  await using it = await chat((socket) =>
    socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary })),
  );
  const socket = visit(it.site, "/");
  await once(socket, "open");
  const messages: (string | Buffer)[] = [
    "hello é€😀",
    "",
    Buffer.alloc(0),
    Buffer.from([0, 255, 128]),
    "x".repeat(70_000),
    Buffer.alloc(5 * MIB, 7),
    ...Array.from({ length: 500 }, (_, nth) => `m${nth}`),
  ];
  const got: [boolean, number, string][] = [];
  const done = new Promise<void>((resolve) => {
    socket.on("message", (data: Buffer, isBinary) => {
      got.push([isBinary, data.length, sha256(data)]);
      if (got.length === messages.length) resolve();
    });
  });
  for (const message of messages) socket.send(message);
  await done;
  expect(got).toEqual(
    messages.map((message) => [typeof message !== "string", Buffer.byteLength(message), sha256(message)]),
  );
  const pong = once(socket, "pong");
  socket.ping("are you there");
  await pong;
  socket.terminate();
});

test("close codes and reasons pass both ways; a break is no ordinary close", async () => {
  const closes: [number, string][] = [];
  let closed = Promise.withResolvers<void>();
  await using it = await chat((socket) => {
    socket.on("message", (data: Buffer) => {
      const word = data.toString();
      if (word === "break") socket.terminate();
      else socket.close(4001, word);
    });
    socket.on("close", (code, reason) => {
      closes.push([code, reason.toString()]);
      closed.resolve();
    });
  });
  const byTarget = visit(it.site, "/");
  await once(byTarget, "open");
  byTarget.send("so long");
  expect(await closeOf(byTarget)).toEqual([4001, "so long"]);
  await closed.promise;
  closed = Promise.withResolvers();

  const byVisitor = visit(it.site, "/");
  await once(byVisitor, "open");
  byVisitor.close(4002, "I am off");
  await closed.promise;
  expect(closes.at(-1)).toEqual([4002, "I am off"]);
  closed = Promise.withResolvers();

  const broken = visit(it.site, "/");
  await once(broken, "open");
  broken.send("break");
  expect((await closeOf(broken))[0]).not.toBe(1000);
  await closed.promise;
  closed = Promise.withResolvers();

  const gone = visit(it.site, "/");
  await once(gone, "open");
  gone.terminate();
  await closed.promise;
  expect(closes.at(-1)?.[0]).toBe(1006);
});

test("a visitor who sends more than the path can take is told so (1013); others are not disturbed", async () => {
  const accepted = Promise.withResolvers<WebSocket>();
  await using it = await chat((socket, request) => {
    if (request.url !== "/deaf") return void socket.on("message", (data) => socket.send(data));
    socket.pause();
    accepted.resolve(socket);
  });
  const pushing = visit(it.site, "/deaf");
  await once(pushing, "open");
  const deaf = await accepted.promise;
  const closed = closeOf(pushing);
  const piece = Buffer.alloc(MIB);
  // Each when the one before has left: it is the edge that gives up, and it must do so long before this is over.
  for (let sent = 0; sent < 256 && pushing.readyState === WebSocket.OPEN; sent += 1)
    await new Promise((resolve) => pushing.send(piece, resolve));
  expect(await closed).toEqual([1013, "more than the path can carry"]);
  const other = visit(it.site, "/");
  await once(other, "open");
  other.send("still here?");
  expect(String((await once(other, "message"))[0])).toBe("still here?");
  other.terminate();
  deaf.terminate();
});

async function closeOf(socket: WebSocket): Promise<[number, string]> {
  const [code, reason] = (await once(socket, "close")) as [number, Buffer];
  return [code, reason.toString()];
}
