import { closeSync, createReadStream, createWriteStream, fsyncSync, openSync } from "node:fs";
import { open, rm, stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { pipeline } from "node:stream/promises";
import { codeOf } from "./disk.ts";
import { generationOf } from "./sqlite/generation.ts";

/** Tries for one database, and milliseconds between them: its log begins anew after some 4 MB of changes. */
const MAX_ATTEMPTS = 20;
const RETRY_MS = 250;
/** Milliseconds within which a file may change twice and look as if it had changed once. */
const CLOCK_TICK_MS = 50;

/**
 * Copies a database and its log while an edge writes to them. The file first and then the log: whatever SQLite has moved from
 * the log into the file meanwhile is in the log still, and counts before what is in the file; the last change, if it was cut in
 * half, never was. That holds as long as the log was not begun anew: then this begins anew too.
 * Answers false when the edge writes faster than this copies. Throws the disk's error, or the reason of `signal`.
 */
export async function copyDatabase(from: string, to: string, signal: AbortSignal): Promise<boolean> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    if (attempt > 0) await sleep(RETRY_MS, undefined, { signal });
    const before = generationOf(from);
    const { mtimeMs } = await stat(from);
    if (Math.abs(Date.now() - mtimeMs) < CLOCK_TICK_MS) continue;
    await streamFile(from, to, signal);
    const hasLog = await copyLog(`${from}-wal`, `${to}-wal`, signal);
    if (generationOf(from) !== before) continue;
    // The disk takes its time: not while the log must not begin anew.
    await flush(to);
    if (hasLog) await flush(`${to}-wal`);
    return true;
  }
  return false;
}

/** Copies a file for its owner alone, and has it on the disk before it answers. Throws the disk's error, or the reason of `signal`. */
export async function copyFile(from: string, to: string, signal: AbortSignal): Promise<void> {
  await streamFile(from, to, signal);
  await flush(to);
}

async function streamFile(from: string, to: string, signal: AbortSignal): Promise<void> {
  await pipeline(createReadStream(from), createWriteStream(to, { mode: 0o600 }), { signal });
}

async function flush(path: string): Promise<void> {
  const file = await open(path, "r+");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Has the names in a folder on the disk too, where the system does that. */
export function flushFolder(path: string): void {
  try {
    const folder = openSync(path, "r");
    fsyncSync(folder);
    closeSync(folder);
  } catch {
    // Windows opens no folders.
  }
}

async function copyLog(from: string, to: string, signal: AbortSignal): Promise<boolean> {
  try {
    await streamFile(from, to, signal);
    return true;
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
    await rm(to, { force: true });
    return false;
  }
}
