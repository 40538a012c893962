/**
 * The least that a Worker, a Durable Object and WebSockets can do for a tunnel: a WebSocket for each connection, bytes as they
 * come, and a word for each quarter of a window (env.WINDOW, in bytes) that was taken, for `send()` never blocks. No frames, no
 * rules, no resuming, no accounts.
 */
import { DurableObject } from "cloudflare:workers";

const MOST_READ = 256 * 1024;
/** Words of what was taken in each window. */
const REPORTS = 4;

export default {
  fetch: (request, env) =>
    request.headers.has("upgrade") ? env.HUB.getByName("hub").fetch(request) : new Response("a floor"),
  async connect(socket, env) {
    const { localAddress } = await socket.opened;
    const hub = env.HUB.getByName("hub").connect(`port.x:${localAddress.split(":").at(-1)}`);
    await Promise.allSettled([socket.readable.pipeTo(hub.writable), hub.readable.pipeTo(socket.writable)]);
  },
};

export class Hub extends DurableObject {
  /** What outlived a hibernation: connections keep the object awake, so nothing of it is in use. */
  #idle = this.ctx.getWebSockets();
  #busy = new Map();
  #window = Number(this.env.WINDOW);
  #report = this.#window / REPORTS;

  fetch() {
    const [client, socket] = Object.values(new WebSocketPair());
    this.ctx.acceptWebSocket(socket);
    this.#idle.push(socket);
    return new Response(null, { status: 101, webSocket: client });
  }

  async connect(socket) {
    const { localAddress } = await socket.opened;
    const lane = this.#idle.shift();
    if (lane === undefined) return socket.close();
    const writer = socket.writable.getWriter();
    const end = { writer, taken: 0, sent: 0, room: undefined };
    this.#busy.set(lane, end);
    lane.send(localAddress.split(":").at(-1));
    try {
      await this.#upload(socket.readable.getReader({ mode: "byob" }), lane, end);
    } catch {
      lane.close();
    }
    await writer.closed.catch(() => {});
  }

  async #upload(reader, lane, end) {
    let buffer = new ArrayBuffer(Math.min(MOST_READ, this.#report));
    for (;;) {
      while (end.sent >= this.#window) await new Promise((resolve) => (end.room = resolve));
      const { value, done } = await reader.read(new Uint8Array(buffer));
      lane.send(done ? new Uint8Array(0) : value);
      if (done) return;
      end.sent += value.byteLength;
      buffer = value.buffer;
    }
  }

  webSocketMessage(lane, message) {
    const end = this.#busy.get(lane);
    if (end === undefined) return;
    if (typeof message === "string") {
      end.sent -= this.#report;
      end.room?.();
    } else if (message.byteLength === 0) {
      end.writer.close().catch(() => {});
    } else {
      end.writer.write(new Uint8Array(message)).then(
        () => {
          end.taken += message.byteLength;
          for (; end.taken >= this.#report; end.taken -= this.#report) lane.send("taken");
        },
        () => lane.close(),
      );
    }
  }

  webSocketClose(lane) {
    lane.close();
    this.#busy
      .get(lane)
      ?.writer.close()
      .catch(() => {});
    this.#busy.delete(lane);
    this.#idle = this.#idle.filter((each) => each !== lane);
  }
}
