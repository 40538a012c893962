/** Connections held by an object: what each costs when there is no agent and no stream. Sends back what comes. */
import { DurableObject } from "cloudflare:workers";

export default {
  fetch: () => new Response("ok"),
  async connect(socket, env) {
    const hub = env.HUB.getByName("hub").connect("port.x:1");
    await Promise.allSettled([socket.readable.pipeTo(hub.writable), hub.readable.pipeTo(socket.writable)]);
  },
};

export class Hub extends DurableObject {
  async connect(socket) {
    const writer = socket.writable.getWriter();
    for await (const bytes of socket.readable) await writer.write(bytes);
    await writer.close();
  }
}
