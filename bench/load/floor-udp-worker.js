/** Passes messages between two WebSockets, those of /gateway and /agent: what a datagram's way over an object costs at the least. */
import { DurableObject } from "cloudflare:workers";

export default {
  fetch: (request, env) =>
    request.headers.has("upgrade") ? env.HUB.getByName("hub").fetch(request) : new Response("a floor"),
};

const FAR = { gateway: "agent", agent: "gateway" };

export class Hub extends DurableObject {
  #ends = {};

  /** Made anew, it knows its ends again: the platform has it sleep when nothing was said for ten seconds. */
  constructor(ctx, env) {
    super(ctx, env);
    for (const socket of ctx.getWebSockets()) this.#keep(socket);
  }

  fetch(request) {
    const [client, socket] = Object.values(new WebSocketPair());
    this.ctx.acceptWebSocket(socket, [new URL(request.url).pathname.slice(1)]);
    this.#keep(socket);
    return new Response(null, { status: 101, webSocket: client });
  }

  webSocketMessage(socket, message) {
    this.#ends[FAR[this.ctx.getTags(socket)[0]]]?.send(message);
  }

  #keep(socket) {
    this.#ends[this.ctx.getTags(socket)[0]] = socket;
  }
}
