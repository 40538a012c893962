import net from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { hostPort } from "../harness/peer.ts";

export interface Requests {
  readonly at: string;
  /** Value of `Host`. */
  readonly host: string;
  readonly path: string;
  readonly perSecond: number;
  readonly seconds: number;
  readonly connections: number;
}

/**
 * Milliseconds of each request from the moment it was meant to leave until its whole answer is there. Open loop: when every
 * connection is busy, what is due waits, and its waiting counts. An answer that is not 200 or never comes fails the reading.
 */
export async function requestTimes({ at, host, path, perSecond, seconds, connections }: Requests): Promise<number[]> {
  const times: number[] = [];
  const due: number[] = [];
  const free: Connection[] = [];
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  const text = `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
  const all = await Promise.all(
    Array.from({ length: connections }, () =>
      connected(
        at,
        (connection) => {
          times.push(performance.now() - connection.meant);
          free.push(connection);
          serve();
        },
        failed.reject,
      ),
    ),
  );
  free.push(...all);
  function serve(): void {
    while (due.length > 0 && free.length > 0) free.pop()?.ask(text, due.shift() ?? 0);
  }
  const begun = performance.now();
  const total = Math.round(perSecond * seconds);
  for (let meant = 0; meant < total;) {
    const now = performance.now();
    for (; meant < total && begun + (meant / perSecond) * 1000 <= now; meant += 1)
      due.push(begun + (meant / perSecond) * 1000);
    serve();
    await Promise.race([pause(1), failed.promise]);
  }
  for (const patience = performance.now() + 15_000; times.length < total && performance.now() < patience;)
    await Promise.race([pause(5), failed.promise]);
  for (const connection of all) connection.socket.destroy();
  if (times.length < total) throw new Error(`${total - times.length} of ${total} requests at ${at} were not answered`);
  return times;
}

/** One kept-alive connection with at most one request on its way. */
class Connection {
  readonly socket: net.Socket;
  meant = 0;

  constructor(socket: net.Socket, answered: (connection: Connection) => void, failed: (error: Error) => void) {
    this.socket = socket;
    let head = "";
    let left = -1;
    socket.on("error", failed);
    socket.on("close", () => failed(new Error("the connection was closed between requests")));
    socket.on("data", (bytes: Buffer) => {
      let count = bytes.byteLength;
      if (left < 0) {
        head += bytes.toString("latin1");
        const end = head.indexOf("\r\n\r\n");
        if (end < 0) return;
        const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
        if (!head.startsWith("HTTP/1.1 200") || length === undefined)
          return failed(new Error(`answered ${head.slice(0, 80)}`));
        count = head.length - end - 4;
        left = Number(length);
        head = "";
      }
      left -= count;
      if (left > 0) return;
      left = -1;
      answered(this);
    });
  }

  ask(text: string, meant: number): void {
    this.meant = meant;
    this.socket.write(text);
  }
}

function connected(
  at: string,
  answered: (connection: Connection) => void,
  failed: (error: Error) => void,
): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ ...hostPort(at), noDelay: true });
    socket.once("error", reject);
    socket.once("connect", () => resolve(new Connection(socket, answered, failed)));
  });
}
