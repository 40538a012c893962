import { closeSync, fsyncSync, openSync, rmSync, statSync, writeSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { Log } from "../../link/log.ts";
import type { DataFolder } from "./data.ts";
import { isFull, tryRemove } from "./disk.ts";
import { databasesIn } from "./storage.ts";

/** Bytes that opening one database takes: the index of its log, and the start of the log. */
const BYTES_PER_DATABASE = 48 * 1024;
/** Bytes for everything else that a start writes, and for new relays. */
const BASE_BYTES = 256 * 1024;
const MAX_BYTES = 16 * 1024 * 1024;
/** Milliseconds between checks whether the disk has room again. */
const CHECK_INTERVAL_MS = 60_000;

/**
 * Disk space in the data folder that is reserved for a start. SQLite can't even read without writing a little beside each file, and
 * the edge must start after a reboot even if the disk is full.
 */
export class DiskReserve {
  readonly #data: DataFolder;
  readonly #log: Log;

  constructor(data: DataFolder, log: Log) {
    this.#data = data;
    this.#log = log;
  }

  /** Frees the reserved space if the disk has no other. Returns whether a start has the space it needs. */
  release(): boolean {
    const needed = this.#needed;
    if (hasRoom(this.#trial, needed)) return true;
    const held = this.#held;
    rmSync(this.#file, { force: true });
    const { root } = this.#data;
    if (held > 0) this.#log("warn", "the disk is full: starting with the reserved space", { disk: root });
    else this.#log("warn", "the disk is full, and no space is reserved for a start", { disk: root });
    return hasRoom(this.#trial, needed);
  }

  /** Reserves the space for the next start, now or as soon as the disk has room, until `signal`. */
  keep(signal: AbortSignal): void {
    this.#take();
    const timer = setInterval(() => this.#take(), CHECK_INTERVAL_MS);
    timer.unref();
    signal.addEventListener("abort", () => clearInterval(timer), { once: true });
  }

  #take(): void {
    const needed = this.#needed;
    // Twice as much must be free, or the reserve itself would fill the disk.
    if (this.#held >= needed || !hasRoom(this.#trial, 2 * needed)) return;
    if (!writeRandom(this.#file, needed)) tryRemove(this.#file);
  }

  get #file(): string {
    return join(this.#data.run, "reserve");
  }

  get #trial(): string {
    return join(this.#data.run, "reserve.trial");
  }

  get #held(): number {
    return statSync(this.#file, { throwIfNoEntry: false })?.size ?? 0;
  }

  get #needed(): number {
    return Math.min(MAX_BYTES, BASE_BYTES + BYTES_PER_DATABASE * databasesIn(this.#data.storage).length);
  }
}

/** Whether that many bytes can be written now. */
function hasRoom(trial: string, bytes: number): boolean {
  const has = writeRandom(trial, bytes);
  tryRemove(trial);
  return has;
}

/** Writes a file of that many random bytes, which no disk can compress; false when there is no room. */
function writeRandom(path: string, bytes: number): boolean {
  try {
    const file = openSync(path, "w", 0o600);
    try {
      const content = randomBytes(64 * 1024);
      for (let left = bytes; left > 0; left -= content.length)
        writeSync(file, content, 0, Math.min(left, content.length));
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    return true;
  } catch (error) {
    if (isFull(error)) return false;
    throw error;
  }
}
