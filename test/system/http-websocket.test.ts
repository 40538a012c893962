import { createHash } from "node:crypto";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { connect, type Socket } from "node:net";
import { expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { sha256 } from "../support/bytes.ts";
import type { ConnectionView } from "../../shared/rule/api.ts";
import { httpOrigin } from "../support/http.ts";
import { loopback } from "../support/net.ts";
import { testSite, type TestSite } from "../support/site.ts";

const HOST = "chat.localhost";
const MIB = 1024 * 1024;

function visit(site: TestSite, path: string, protocols: string[] = [], from?: string): WebSocket {
  const { host } = site.edge;
  const headers = { host: `${HOST}:8787`, origin: `http://${HOST}:8787` };
  return new WebSocket(`ws://${host}:8787${path}`, protocols, {
    headers,
    perMessageDeflate: false,
    maxPayload: 64 * MIB,
    ...(from === undefined ? {} : { localAddress: from }),
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

/** A site whose `chat.localhost` accepts a WebSocket, and hands out its connection with each thing that the visitor says. */
async function crooked(hear: (socket: Socket, path: string, nth: number) => void) {
  await using stack = new AsyncDisposableStack();
  const site = stack.use(await testSite());
  const origin = stack.use(await httpOrigin((_request, response) => void response.end("no WebSocket")));
  origin.server.on("upgrade", (request, duplex) => {
    const socket = duplex as Socket;
    socket.on("error", () => undefined).on("end", () => socket.destroy());
    const accept = createHash("sha1")
      .update(`${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest("base64");
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    let heard = 0;
    socket.on("data", () => hear(socket, request.url ?? "", heard++));
  });
  await site.map(`http://${HOST}`, origin.url);
  const owned = stack.move();
  return { site, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** A frame as servers send it. */
function frame(opcode: number, payload: Buffer | string, isLast = true): Buffer {
  const bytes = Buffer.from(payload);
  return Buffer.concat([Buffer.from([(isLast ? 0x80 : 0) | opcode, bytes.length]), bytes]);
}

const LAST_WORDS = frame(1, "last words");

/** What a target does after its last words, and what of it the visitor is told. */
const ENDS: [string, (socket: Socket) => void, number][] = [
  ["says goodbye", (socket) => void socket.end(frame(8, Buffer.from([0x03, 0xe8]))), 1000],
  ["says goodbye with a code of its own", (socket) => void socket.end(frame(8, Buffer.from([0x0f, 0xa1]))), 4001],
  ["closes the connection", (socket) => void socket.end(), 1011],
  ["closes it within a frame", (socket) => void socket.end(frame(1, "half of it").subarray(0, 6)), 1011],
  ["closes it within a message", (socket) => void socket.end(frame(1, "half of it", false)), 1011],
  ["resets the connection", (socket) => void socket.resetAndDestroy(), 1011],
  [
    "resets it within a frame",
    (socket) => void socket.write(frame(2, "half").subarray(0, 4), () => socket.resetAndDestroy()),
    1011,
  ],
  ["sends text that is no UTF-8", (socket) => void socket.write(frame(1, Buffer.from([0x61, 0xff, 0xfe]))), 1007],
  ["breaks text off in a character", (socket) => void socket.write(frame(1, Buffer.from([0xe2, 0x82]))), 1007],
  ["sends a frame of no known kind", (socket) => void socket.write(frame(3, "?")), 1011],
  ["masks its frames", (socket) => void socket.write(Buffer.from([0x81, 0x81, 1, 2, 3, 4, 5])), 1011],
  ["closes with a code that can't be", (socket) => void socket.write(frame(8, Buffer.from([0x03, 0xee]))), 1011],
];

test("a visitor gets a target's last words, and then an end that says how the target ended", async () => {
  await using it = await crooked((socket, path, nth) => {
    if (nth === 0) socket.write(LAST_WORDS);
    else if (nth === 1) ENDS[Number(path.slice(1))]?.[1](socket);
  });
  for (const [index, [what, , code]] of ENDS.entries()) {
    const socket = visit(it.site, `/${index}`);
    await once(socket, "open");
    const heard: string[] = [];
    socket.on("message", (data: Buffer) => {
      heard.push(data.toString());
      socket.send("now end it");
    });
    const closed = closeOf(socket);
    socket.send("go on");
    expect({ what, code: (await closed)[0], heard }).toEqual({ what, code, heard: ["last words"] });
  }
});

test("a target that is gone without a close is an early end in the log", async () => {
  await using it = await crooked((socket) => void socket.end(LAST_WORDS));
  const socket = visit(it.site, "/");
  await once(socket, "open");
  const closed = closeOf(socket);
  socket.send("go on");
  expect(await closed).toEqual([1011, "target-reset"]);
  expect((await logged(it.site))[0]).toMatchObject({ code: "target-reset" });
});

test("a WebSocket whose end its visitor does not answer is over all the same", async () => {
  await using it = await crooked((socket) => void socket.resetAndDestroy());
  const { host } = it.site.edge;
  const socket = connect(8787, host);
  socket.on("error", () => undefined);
  const head = [`GET / HTTP/1.1`, `Host: ${HOST}:8787`, "Connection: Upgrade", "Upgrade: websocket"];
  const more = ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "", ""];
  socket.write([...head, ...more].join("\r\n"));
  let received = Buffer.alloc(0);
  socket.on("data", (bytes: Buffer) => {
    const isFirst = received.length === 0;
    received = Buffer.concat([received, bytes]);
    if (isFirst) socket.write(Buffer.from([0x81, 0x80, 0, 0, 0, 0]));
  });
  await once(socket, "end");
  expect(received.includes(Buffer.from([0x88, 14, 0x03, 0xf3]))).toBe(true);
  socket.destroy();
});

test("a message that is larger than any may be ends its WebSocket, and is no fault of the edge's", async () => {
  await using it = await chat(() => undefined);
  const socket = visit(it.site, "/");
  await once(socket, "open");
  socket.on("error", () => undefined);
  const closed = closeOf(socket);
  socket.send(Buffer.alloc(33 * MIB));
  expect((await closed)[0]).not.toBe(1000);
  await it.site.edge.serve.until(/a visitor's WebSocket broke the protocol","code":1009/);
  expect(it.site.edge.serve.stderr).not.toMatch(/"level":"error"|Uncaught/);
  const [{ reason } = { reason: "" }] = await logged(it.site);
  expect(reason).toContain("Message is too large");
});

test("what waits for targets that have stopped is bounded for all visitors together, and a small backlog is let alone", async () => {
  const deaf: WebSocket[] = [];
  await using it = await chat((socket, request) => {
    if (request.url !== "/deaf") return void socket.on("message", (data) => socket.send(data));
    socket.pause();
    deaf.push(socket);
  });
  const other = visit(it.site, "/");
  await once(other, "open");
  const modest = visit(it.site, "/deaf", [], loopback());
  await once(modest, "open");
  modest.send("just this");
  // Alone, none of them sends more than may wait.
  const pushing = await Promise.all(
    Array.from({ length: 4 }, async () => {
      const socket = visit(it.site, "/deaf", [], loopback());
      await once(socket, "open");
      return socket;
    }),
  );
  const closes: number[] = [];
  for (const socket of pushing) socket.on("close", (code: number) => closes.push(code));
  await Promise.all(pushing.map((socket) => push(socket, 24)));
  while (closes.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  expect(closes).toEqual(closes.map(() => 1013));
  other.send("still here?");
  expect(String((await once(other, "message"))[0])).toBe("still here?");
  expect(modest.readyState).toBe(WebSocket.OPEN);
  for (const socket of [...pushing, modest, other, ...deaf]) socket.terminate();
});

test("what waits for a visitor that has stopped reading goes when others need the room, and its connection with it", async () => {
  await using it = await chat(
    (socket) =>
      void socket.on("message", (data: Buffer) => socket.send(Buffer.alloc(Number(data.toString()) * MIB, 7))),
  );
  const [stopped, reading] = [visit(it.site, "/", [], loopback()), visit(it.site, "/", [], loopback())];
  await Promise.all([once(stopped, "open"), once(reading, "open")]);
  stopped.on("error", () => undefined);
  const closed = closeOf(stopped);
  stopped.pause();
  stopped.send("31");
  // Until there is no room for both, what the other one asks for is passed on.
  for (let log: ConnectionView[] = []; log.length === 0; log = await it.site.edge.json<ConnectionView[]>("log")) {
    reading.send("16");
    expect(((await once(reading, "message"))[0] as Buffer).length).toBe(16 * MIB);
  }
  expect((await logged(it.site))[0]).toMatchObject({ code: "too-many" });
  stopped.resume();
  // Told, if that could still be said.
  expect((await closed)[0]).toBeOneOf([1006, 1013]);
  reading.terminate();
});

test("a message of many MiB passes while another waits", async () => {
  await using it = await chat((socket) => void socket.on("message", (data) => socket.send(sha256(data as Buffer))));
  const [one, two] = [visit(it.site, "/"), visit(it.site, "/")];
  await Promise.all([once(one, "open"), once(two, "open")]);
  const large = Buffer.alloc(12 * MIB, "large");
  const answers = [one, two].map((socket) => once(socket, "message"));
  for (const socket of [one, two]) socket.send(large);
  for (const [answer] of await Promise.all(answers)) expect(String(answer)).toBe(sha256(large));
  one.terminate();
  two.terminate();
});

/** Sends so many MiB, each when the one before has left, as long as the WebSocket is open. */
async function push(socket: WebSocket, mebibytes: number): Promise<void> {
  const piece = Buffer.alloc(MIB);
  for (let sent = 0; sent < mebibytes && socket.readyState === WebSocket.OPEN; sent += 1)
    await new Promise((resolve) => socket.send(piece, resolve));
}

/** The connections at this site, newest first, once there is one. */
async function logged(site: TestSite): Promise<ConnectionView[]> {
  for (;;) {
    const log = await site.edge.json<ConnectionView[]>("log");
    if (log.length > 0) return log;
  }
}

async function closeOf(socket: WebSocket): Promise<[number, string]> {
  const [code, reason] = (await once(socket, "close")) as [number, Buffer];
  return [code, reason.toString()];
}
