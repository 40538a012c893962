import { closeSync, createReadStream, createWriteStream, fsyncSync, openSync } from "node:fs";
import { open, rm, stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { pipeline } from "node:stream/promises";
import { codeOf } from "./disk.ts";
import { generationOf } from "./sqlite/generation.ts";

/** Attempts for one database, and milliseconds between them: SQLite restarts the log after some 4 MB of changes. */
const MAX_ATTEMPTS = 20;
const RETRY_MS = 250;
/** Milliseconds within which two changes of a file may leave the same modification time. */
const CLOCK_TICK_MS = 50;

/**
 * Copies a database and its write-ahead log while an edge writes to them: the file first, then the log. Whatever SQLite has moved from
 * the log into the file meanwhile is still in the log, which takes precedence; a last change that was copied only in part does not
 * count. That holds as long as SQLite has not restarted the log: if it has, the copy starts again.
 * Returns false when the edge writes faster than this copies. Throws the disk's error, or the reason of `signal`.
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
    // Flushed only now: a flush is slow, and the log must not restart while the files are copied.
    await flush(to);
    if (hasLog) await flush(`${to}-wal`);
    return true;
  }
  return false;
}

/** Copies a file, readable by its owner alone, and flushes it to the disk. Throws the disk's error, or the reason of `signal`. */
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

/** Flushes the names in a folder to the disk, where the system can do that. */
export function flushFolder(path: string): void {
  try {
    const folder = openSync(path, "r");
    fsyncSync(folder);
    closeSync(folder);
  } catch {
    // Windows can't open folders.
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
