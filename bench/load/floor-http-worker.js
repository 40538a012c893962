/**
 * The least that a Worker, an object and one WebSocket can do for a request: a message with it, and one with its answer. While no
 * agent is there the object answers by itself, which is what the way to it and back costs.
 */
import { DurableObject } from "cloudflare:workers";

const PAGE = "x".repeat(1024);

export default {
  fetch: (request, env) => env.HUB.getByName("hub").fetch(request),
};

export class Hub extends DurableObject {
  #lane = this.ctx.getWebSockets()[0];
  #waiting = new Map();
  #next = 0;

  fetch(request) {
    if (request.headers.has("upgrade")) return this.#upgrade();
    if (this.#lane === undefined) return new Response(PAGE);
    const id = this.#next++;
    this.#lane.send(JSON.stringify([id, request.method, request.url, [...request.headers]]));
    return new Promise((resolve) => this.#waiting.set(id, resolve));
  }

  #upgrade() {
    const [client, socket] = Object.values(new WebSocketPair());
    this.ctx.acceptWebSocket(socket);
    this.#lane = socket;
    return new Response(null, { status: 101, webSocket: client });
  }

  /** Bytes of the head, the head, and the body. */
  webSocketMessage(_, message) {
    const length = new DataView(message).getUint32(0);
    const [id, status, headers] = JSON.parse(new TextDecoder().decode(new Uint8Array(message, 4, length)));
    this.#waiting.get(id)?.(new Response(new Uint8Array(message, 4 + length), { status, headers }));
    this.#waiting.delete(id);
  }
}
