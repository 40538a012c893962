import { once } from "node:events";
import net from "node:net";
import { loopback } from "../../test/support/net.ts";
import { hostPort } from "../harness/peer.ts";

/** Opened at once. */
const AT_ONCE = 50;
/** Streams of one address: nobody may take more of an edge's places than it leaves to others. */
const PER_SOURCE = 3_000;

/** Connections through an echo in which nothing happens; all the way open, for each has had a byte back. */
export class IdleStreams implements Disposable {
  readonly #at: string;
  readonly #sockets: net.Socket[] = [];
  #source = "";

  constructor(at: string) {
    this.#at = at;
  }

  get count(): number {
    return this.#sockets.length;
  }

  /** Opens so many more. Throws when one ends before it is open. */
  async open(count: number): Promise<void> {
    for (let left = count; left > 0; left -= AT_ONCE)
      await Promise.all(Array.from({ length: Math.min(left, AT_ONCE) }, () => this.#one()));
  }

  /** A byte there and back through each of them. Throws when one is no longer there. */
  async answer(): Promise<void> {
    await Promise.all(this.#sockets.map(echoed));
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets.splice(0)) socket.destroy();
  }

  async #one(): Promise<void> {
    if (this.#sockets.length % PER_SOURCE === 0) this.#source = loopback();
    const socket = net.connect({ ...hostPort(this.#at), localAddress: this.#source, noDelay: true });
    // Whoever needs it finds it gone.
    this.#sockets.push(socket.on("error", () => {}));
    await once(socket, "connect");
    await echoed(socket);
  }
}

async function echoed(socket: net.Socket): Promise<void> {
  if (socket.destroyed) throw new Error("an idle stream has ended");
  const gone = (): void => void socket.destroy(new Error("an idle stream has ended"));
  socket.once("close", gone).write("x");
  await once(socket, "data");
  socket.off("close", gone);
}
