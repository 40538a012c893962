import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { Transform } from "node:stream";
import { digest, noise, type Digest } from "./bytes.ts";
import { loopback } from "./net.ts";
import { tcpServer, type TcpPeer } from "./peers.ts";

const UP = 1;
const DOWN = 2;

/** A target that takes everything in and gives as much out, at once; each side says what it has heard. */
export type BothWays = AsyncDisposable & {
  readonly target: string;
  /** Visits the target at `host:port`; resolves when both directions are over. */
  readonly visit: (host: string, port: number) => Promise<{ up: Digest; down: Digest }>;
};

/** `up` and `down` bytes of noise; `progress` hears how many have arrived, both directions together. */
export async function bothWays(up: number, down: number, progress: (bytes: number) => void): Promise<BothWays> {
  let arrived = 0;
  const counted = (): Transform =>
    new Transform({
      transform(chunk: Buffer, _, done) {
        arrived += chunk.length;
        progress(arrived);
        done(null, chunk);
      },
    });
  const heard = Promise.withResolvers<Digest>();
  const serve = (socket: Socket): void => {
    digest(socket.pipe(counted())).then(heard.resolve, heard.reject);
    noise(down, DOWN).pipe(socket);
  };
  const server: TcpPeer = await tcpServer(loopback(), 0, serve);
  return {
    target: `${server.host}:${server.port}`,
    visit: async (host, port) => {
      const socket = connect({ host, port, allowHalfOpen: true });
      await once(socket, "connect");
      const broken = once(socket, "error").then(([error]) => Promise.reject(error as Error));
      noise(up, UP).pipe(socket);
      const both = Promise.all([heard.promise, digest(socket.pipe(counted()))]);
      const [upHeard, downHeard] = await Promise.race([both, broken]);
      return { up: upHeard, down: downHeard };
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** What should have been heard. */
export async function expected(up: number, down: number): Promise<{ up: Digest; down: Digest }> {
  return { up: await digest(noise(up, UP)), down: await digest(noise(down, DOWN)) };
}
