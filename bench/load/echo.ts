import net from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { hostPort } from "../harness/peer.ts";

const MESSAGE_BYTES = 64;

/**
 * Milliseconds from each message to its echo. Open loop: messages leave at their time whether or not the last one is back.
 * One that never comes back fails the reading.
 */
export async function echoTimes(at: string, perSecond: number, seconds: number): Promise<number[]> {
  const socket = net.connect({ ...hostPort(at), noDelay: true });
  const sent: number[] = [];
  const times: number[] = [];
  let got = 0;
  const failed = new Promise<never>((_, reject) => socket.on("error", reject));
  failed.catch(() => {});
  socket.on("data", (bytes: Buffer) => {
    const now = performance.now();
    got += bytes.byteLength;
    while (got >= (times.length + 1) * MESSAGE_BYTES) times.push(now - (sent[times.length] ?? now));
  });
  await Promise.race([new Promise((resolve) => socket.once("connect", resolve)), failed]);
  const begun = performance.now();
  const message = Buffer.alloc(MESSAGE_BYTES, 7);
  const total = Math.round(perSecond * seconds);
  while (sent.length < total) {
    const due = Math.min(total, Math.floor(((performance.now() - begun) / 1000) * perSecond) + 1);
    while (sent.length < due) {
      sent.push(performance.now());
      socket.write(message);
    }
    await Promise.race([pause(1), failed]);
  }
  const patience = performance.now() + 10_000;
  while (times.length < total && performance.now() < patience) await Promise.race([pause(5), failed]);
  socket.destroy();
  if (times.length < total) throw new Error(`${total - times.length} of ${total} echoes did not come back`);
  return times;
}

/** Milliseconds from `connect` to the first echoed byte, of `count` connections at once. */
export async function firstBytes(at: string, count: number): Promise<number[]> {
  return Promise.all(Array.from({ length: count }, () => firstByte(at)));
}

function firstByte(at: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const begun = performance.now();
    const socket = net.connect({ ...hostPort(at), noDelay: true });
    socket.setTimeout(15_000, () => socket.destroy(new Error(`no first byte through ${at} in 15 s`)));
    socket.on("error", reject);
    socket.once("connect", () => socket.write("x"));
    socket.once("data", () => {
      resolve(performance.now() - begun);
      socket.destroy();
    });
    socket.once("close", () => reject(new Error(`${at} closed before the first byte`)));
  });
}
