import { existsSync } from "node:fs";
import { createConnection } from "node:net";
import { delimiter, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { execute } from "../../test/support/run.ts";
import { hostPort } from "../harness/peer.ts";

const READY_MS = 10_000;

/** Whether a program is on PATH, or where Debian keeps those of administrators. */
export function isInstalled(program: string): boolean {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin"];
  return folders.some((folder) => existsSync(join(folder, program)));
}

/** The first line of what a program says of its version; null when it is not on PATH. */
export async function versionOf(program: string, ...words: readonly string[]): Promise<string | null> {
  if (!program.startsWith("/") && !isInstalled(program)) return null;
  const { stdout, stderr } = await execute(program, words);
  return /\d+\.\d+[\w.+-]*/.exec(stdout + stderr)?.[0] ?? "unknown";
}

/** Waits until something listens there. Throws after ten seconds. */
export async function listening(address: string): Promise<void> {
  const until = performance.now() + READY_MS;
  while (performance.now() < until) {
    const there = await new Promise<boolean>((resolve) => {
      const socket = createConnection(hostPort(address));
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
      socket.once("connect", () => socket.destroy());
    });
    if (there) return;
    await pause(20);
  }
  throw new Error(`nobody listens at ${address}`);
}
