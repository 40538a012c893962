import { readFileSync } from "node:fs";
import net from "node:net";
import { hostPort } from "../harness/peer.ts";

/** Readers in all. */
export const READERS = 64;

/** What kernels hold of all connections of this port, in bytes: sent and not taken, come and not read. */
export function kernelBytes(address: string): number {
  const port = `:${hostPort(address).port.toString(16).toUpperCase().padStart(4, "0")}`;
  const host = hostPort(address).host.split(".").map(Number).toReversed();
  const wanted = `${host.map((byte) => byte.toString(16).toUpperCase().padStart(2, "0")).join("")}${port}`;
  let sum = 0;
  for (const line of readFileSync("/proc/net/tcp", "utf8").split("\n")) {
    const [, local, remote, , queues = ""] = line.trim().split(/\s+/);
    if (local !== wanted && remote !== wanted) continue;
    for (const queue of queues.split(":")) sum += Number.parseInt(queue, 16);
  }
  return sum;
}

/** Connections that never read. */
export function stopped(at: string): Promise<net.Socket[]> {
  const one = (): Promise<net.Socket> =>
    new Promise((resolve, reject) => {
      // Before it is connected: else it takes the first 64 KiB.
      const socket = net.connect({ ...hostPort(at), noDelay: true }).pause();
      socket.on("error", reject).on("connect", () => resolve(socket));
    });
  return Promise.all(Array.from({ length: READERS }, one));
}

/** Connections that read so many bytes each, of those that `order` asks for, and go. */
export function readSome(at: string, order: string, bytes: number): Promise<unknown> {
  return all(at, (socket, done) => {
    let left = bytes;
    socket.on("data", ({ byteLength }: Buffer) => {
      left -= byteLength;
      if (left <= 0) done();
    });
    socket.write(order);
  });
}

/** Connections that send so many bytes each and go when the far end has closed, after it has read them all. */
export function sendSome(at: string, bytes: number): Promise<unknown> {
  return all(at, (socket, done) => {
    socket.resume().on("end", done);
    socket.end(Buffer.alloc(bytes));
  });
}

function all(at: string, begin: (socket: net.Socket, done: () => void) => void): Promise<unknown> {
  const one = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const socket = net.connect({ ...hostPort(at), noDelay: true });
      socket.on("error", reject).on("close", () => resolve());
      socket.on("connect", () => begin(socket, () => socket.destroy()));
    });
  return Promise.all(Array.from({ length: READERS }, one));
}
