import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { Readable } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { loopback } from "../support/net.ts";
import { tcpServer } from "../support/peers.ts";
import { testSite } from "../support/site.ts";

const BODY = randomBytes(4 << 20);
const CHUNK = Buffer.alloc(64 << 10, "unread ");
const UNREAD = 100;
/** Milliseconds in which not one byte leaves the target: all of what waits for the visitors is full. */
const QUIET_MS = 2_000;

/** Asks for a path. Nothing of the answer is read before the caller does. */
function asking(host: string, port: number, path: string): Socket {
  const socket = connect({ host, port }).on("error", () => undefined);
  socket.write(`GET ${path} HTTP/1.1\r\nHost: web.example:8787\r\nConnection: close\r\n\r\n`);
  return socket;
}

test.each(["a TCP port", "a host", "a client"] as const)(
  "at %s, a hundred visitors that read nothing of what they asked for hold up no other visitor's download",
  async (door) => {
    await using site = await testSite({ tcp: "8080" });
    let sent = 0;
    const endless = function* () {
      for (;;) {
        sent += CHUNK.byteLength;
        yield CHUNK;
      }
    };
    await using origin = await tcpServer(loopback(), 0, (socket) => {
      socket.once("data", (asked) => {
        if (asked.includes("/whole")) {
          socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${BODY.byteLength}\r\nConnection: close\r\n\r\n`);
          socket.end(BODY);
        } else {
          socket.write(`HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n`);
          Readable.from(endless(), { highWaterMark: 1 }).pipe(socket);
        }
      });
    });
    const endpoint = { "a TCP port": "8080/tcp", "a host": "http://web.example", "a client": "lab/web" }[door];
    await site.map(endpoint, `${origin.host}:${origin.port}`);
    const host = door === "a client" ? loopback() : site.edge.host;
    const port = { "a TCP port": 8080, "a host": 8787, "a client": 9000 }[door];
    if (door === "a client")
      await site.connect(await site.token("visitor", "--endpoint", "lab/*"), `lab/web=${host}:9000`);
    await using stack = new AsyncDisposableStack();
    const unread = Array.from({ length: UNREAD }, () => asking(host, port, "/endless"));
    for (const socket of unread) stack.defer(() => void socket.destroy());
    await Promise.all(unread.map((socket) => once(socket, "readable")));
    for (let before = -1; before !== sent; await pause(QUIET_MS)) before = sent;

    const whole = Buffer.concat(await asking(host, port, "/whole").toArray());
    expect(whole.subarray(-BODY.byteLength).equals(BODY)).toBe(true);
    expect(unread.filter((socket) => socket.destroyed || socket.readableEnded)).toEqual([]);
  },
);
