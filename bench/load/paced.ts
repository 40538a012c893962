/** What goes at its own pace, however fast the way is: calls, a camera, somebody who types. */
import dgram from "node:dgram";
import { once } from "node:events";
import net from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { loopback } from "../../test/support/net.ts";
import { hostPort } from "../harness/peer.ts";

const CALL_EVERY_MS = 20;
const CALL_BYTES = 172;
const CAMERA_EVERY_MS = 40;
const CAMERA_BYTES = (4_000_000 / 8) * (CAMERA_EVERY_MS / 1000);
/** What a key of SSH is on the wire. */
const KEY_BYTES = 36;
const KEY_EVERY_MS = 2_000;

/** The other half of each call. */
export async function udpEcho(): Promise<{ at: string } & AsyncDisposable> {
  const host = loopback();
  const socket = dgram.createSocket("udp4").bind(7005, host);
  await once(socket, "listening");
  socket.on("message", (bytes, from) => socket.send(bytes, from.port, from.address));
  return { at: `${host}:7005`, [Symbol.asyncDispose]: async () => void socket.close() };
}

/** Calls of fifty packets a second each way, for so many seconds. */
export async function call(at: string, count: number, seconds: number): Promise<void> {
  const { host, port } = hostPort(at);
  const sockets = Array.from({ length: count }, () => dgram.createSocket("udp4").on("error", () => {}));
  const timers = sockets.map((socket) =>
    setInterval(() => socket.send(Buffer.alloc(CALL_BYTES), port, host), CALL_EVERY_MS),
  );
  await pause(seconds * 1000);
  for (const timer of timers) clearInterval(timer);
  for (const socket of sockets) socket.close();
}

/** A camera: 4 Mbit/s, in a piece for each of 25 pictures a second. */
export async function cameraServer(): Promise<{ at: string } & AsyncDisposable> {
  const host = loopback();
  const server = net.createServer((socket) => {
    const timer = setInterval(() => socket.write(Buffer.alloc(CAMERA_BYTES)), CAMERA_EVERY_MS);
    socket.on("error", () => {}).on("close", () => clearInterval(timer));
  });
  await once(server.listen(7006, host), "listening");
  return { at: `${host}:7006`, [Symbol.asyncDispose]: async () => void server.close() };
}

export async function watch(at: string, seconds: number): Promise<void> {
  const viewer = net.connect(hostPort(at)).on("error", () => {});
  viewer.resume();
  await pause(seconds * 1000);
  viewer.destroy();
}

/** A key every two seconds, each with its answer. */
export async function type(at: string, seconds: number): Promise<void> {
  const shell = net.connect(hostPort(at)).on("error", () => {});
  shell.resume();
  const keys = setInterval(() => shell.write(Buffer.alloc(KEY_BYTES)), KEY_EVERY_MS);
  await pause(seconds * 1000);
  clearInterval(keys);
  shell.destroy();
}
