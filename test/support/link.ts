/** A path between an agent and its edge that can be cut, half-cut and blackholed: a TCP proxy on loopback. */
import net from "node:net";
import { once } from "node:events";
import { loopback } from "./net.ts";

export interface Link extends AsyncDisposable {
  /** `http://host:port`, for `--edge`. */
  readonly url: string;
  /** Connections alive. */
  readonly size: () => number;
  /** Resets every connection; new ones get through. */
  readonly cut: () => void;
  /** Resets the nth connection only. */
  readonly cutOne: (index: number) => void;
  /** Nothing gets through in either direction, and nobody is told; new connections hang. */
  readonly blackhole: () => void;
  /** Bytes flow again, those held back as well. */
  readonly heal: () => void;
}

type Both = { near: net.Socket; far: net.Socket };

export async function link(edgeUrl: string): Promise<Link> {
  const { hostname, port } = new URL(edgeUrl);
  const alive = new Set<Both>();
  let dark = false;
  const server = net.createServer((near) => {
    const far = net.connect(Number(port), hostname);
    const both = { near, far };
    alive.add(both);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.setNoDelay(true);
      from.on("error", () => {});
      from.on("data", (bytes) => {
        if (!to.write(bytes)) from.pause();
      });
      to.on("drain", () => dark || from.resume());
      from.on("close", () => {
        alive.delete(both);
        to.destroy();
      });
      if (dark) from.pause();
    }
  });
  const host = loopback();
  server.listen(0, host);
  await once(server, "listening");
  const { port: own } = server.address() as net.AddressInfo;
  const reset = ({ near, far }: Both): void => {
    near.resetAndDestroy();
    far.resetAndDestroy();
  };
  return {
    url: `http://${host}:${own}`,
    size: () => alive.size,
    cut: () => alive.forEach(reset),
    cutOne: (index) => {
      const all = [...alive];
      const one = all[index % Math.max(1, all.length)];
      if (one !== undefined) reset(one);
    },
    blackhole: () => {
      dark = true;
      for (const { near, far } of alive) {
        near.pause();
        far.pause();
      }
    },
    heal: () => {
      dark = false;
      for (const { near, far } of alive) {
        near.resume();
        far.resume();
      }
    },
    [Symbol.asyncDispose]: async () => {
      server.close();
      alive.forEach(reset);
      await Promise.resolve();
    },
  };
}
