import { once } from "node:events";
import net from "node:net";
import { loopback } from "./net.ts";

/** A lane as it is seen on the wire: the messages that its end has sent so far. */
export type CountedLane = { binary: number; pings: number };

export interface Counted extends AsyncDisposable {
  /** `http://host:port`, for `--edge`. */
  readonly url: string;
  /** Lanes that are open, in the order in which they came. */
  readonly lanes: () => readonly CountedLane[];
  /** Binary messages of all lanes there were: one that is replaced takes none back. */
  readonly said: () => number;
  /** Resolves when every lane that is there, and stays, has sent so many pings since the call. */
  readonly pings: (more: number) => Promise<void>;
}

const TEXT = 1;
const BINARY = 2;

/** A path to an edge that counts what its WebSockets say to it, which is what a relay could be woken by. */
export async function counted(edgeUrl: string): Promise<Counted> {
  const { hostname, port } = new URL(edgeUrl);
  const lanes = new Map<net.Socket, CountedLane>();
  let said = 0;
  let heard = Promise.withResolvers<void>();
  const tell = (): void => {
    heard.resolve();
    heard = Promise.withResolvers();
  };
  const server = net.createServer((near) => {
    const far = net.connect(Number(port), hostname);
    near.pipe(far).pipe(near);
    for (const socket of [near, far]) {
      socket.on("error", () => {});
      socket.on("close", () => {
        lanes.delete(near);
        tell();
        near.destroy();
        far.destroy();
      });
    }
    const lane = { binary: 0, pings: 0 };
    lanes.set(near, lane);
    const read = messages((opcode) => {
      if (opcode === BINARY) {
        lane.binary += 1;
        said += 1;
      }
      if (opcode === TEXT) lane.pings += 1;
      tell();
    });
    near.on("data", read);
  });
  const host = loopback();
  server.listen(0, host);
  await once(server, "listening");
  return {
    url: `http://${host}:${(server.address() as net.AddressInfo).port}`,
    lanes: () => [...lanes.values()],
    said: () => said,
    pings: async (more) => {
      const wanted = [...lanes].map(([socket, lane]) => ({ socket, lane, count: lane.pings + more }));
      const waits = () => wanted.some(({ socket, lane, count }) => lanes.has(socket) && lane.pings < count);
      while (waits()) await heard.promise;
    },
    [Symbol.asyncDispose]: async () => {
      server.close();
      for (const near of lanes.keys()) near.destroy();
      await once(server, "close");
    },
  };
}

/** Reads the client's half of a WebSocket, cut anywhere: calls `each` with the opcode of every frame after the handshake. */
function messages(each: (opcode: number) => void): (bytes: Buffer) => void {
  let held = Buffer.alloc(0);
  let isOpen = false;
  return (bytes) => {
    held = Buffer.concat([held, bytes]);
    if (!isOpen) {
      const end = held.indexOf("\r\n\r\n");
      if (end < 0) return;
      isOpen = true;
      held = held.subarray(end + 4);
    }
    for (;;) {
      const length = frameLength(held);
      if (length === undefined || held.byteLength < length) return;
      each((held[0] ?? 0) & 0x0f);
      held = held.subarray(length);
    }
  };
}

/** Bytes of the frame that begins here, header and mask included (RFC 6455 section 5.2); undefined while that can't be told. */
function frameLength(bytes: Buffer): number | undefined {
  if (bytes.byteLength < 2) return undefined;
  const short = (bytes[1] ?? 0) & 0x7f;
  const head = short < 126 ? 2 : short === 126 ? 4 : 10;
  if (bytes.byteLength < head) return undefined;
  const payload = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  return head + ((bytes[1] ?? 0) & 0x80 ? 4 : 0) + payload;
}
