import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { WebSocketServer, type WebSocket } from "ws";
import { Dialler } from "../../link/dial/dialler.ts";
import { Lanes } from "../../link/lanes.ts";
import { decodeControl, encodeControl, Hello } from "../../shared/wire/control.ts";
import { decodeFrame, TYPE } from "../../shared/wire/frame.ts";
import { loopback } from "../support/net.ts";
import { WELCOME } from "../support/welcome.ts";

test("a lane that doesn't answer is replaced, and the replacement outlives it", async () => {
  await using edge = await silentOnce();
  const stop = new AbortController();
  let downs = 0;
  const replaced = Promise.withResolvers<number>();
  const lanes = new Lanes({
    url: new URL("/.sallyport/agent", edge.url),
    dialler: () => new Dialler(),
    token: () => "x",
    hello: () => ({
      protocol: 1,
      kind: "agent",
      incarnation: "e".repeat(32),
      version: "0",
      frameBytes: 65_536,
      features: [],
    }),
    waiting: () => true,
    frame: () => undefined,
    writable: () => undefined,
    up: () => undefined,
    lost: replaced.resolve,
    down: () => (downs += 1),
  });
  const running = lanes.run(stop.signal);
  expect(await replaced.promise).toBe(0);
  const [, second] = edge.lanes;
  // The older one has been closed by us, and the next ping comes over its replacement.
  await edge.firstClosed;
  expect(await Promise.race([edge.pings(second), once(second as WebSocket, "close")])).toBe("ping");
  expect(downs).toBe(0);
  stop.abort();
  await running;
});

/** An edge with lanes 0 only, in the order they came; the first is never answered after its WELCOME. */
async function silentOnce() {
  const host = loopback();
  const server = createServer().listen(0, host);
  await once(server, "listening");
  const sockets = new WebSocketServer({ server, handleProtocols: () => "sallyport.v1" });
  const lanes: WebSocket[] = [];
  const closed = Promise.withResolvers<void>();
  sockets.on("connection", (socket) => {
    socket.on("message", (data: Buffer, isBinary) => {
      if (!isBinary) return socket === lanes[0] ? undefined : socket.send("pong");
      const frame = decodeFrame(data);
      if (frame.type !== TYPE.HELLO) return undefined;
      if (decodeControl(frame, Hello).lane > 0) return socket.close(4429, "one lane is enough");
      lanes.push(socket);
      if (lanes.length === 1) socket.on("close", () => closed.resolve());
      return socket.send(encodeControl(TYPE.WELCOME, WELCOME));
    });
  });
  return {
    url: `ws://${host}:${(server.address() as AddressInfo).port}`,
    lanes,
    firstClosed: closed.promise,
    pings: async (socket: WebSocket | undefined): Promise<"ping"> => {
      for (;;) {
        const [data] = (await once(socket as WebSocket, "message")) as [Buffer];
        if (data.toString() === "ping") return "ping";
      }
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets.clients) socket.terminate();
      server.close();
      await once(server, "close");
    },
  };
}
