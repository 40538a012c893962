import { closeSync, fsyncSync, openSync, rmSync, statSync, writeSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { Log } from "../../link/log.ts";
import type { DataFolder } from "./data.ts";
import { isFull, tryRemove } from "./disk.ts";
import { databasesIn } from "./storage.ts";

/** Bytes that opening a database takes: the index of its log, and the log's beginning. */
const BYTES_PER_DATABASE = 48 * 1024;
/** Bytes for what else a start writes, and for relays that are yet to come. */
const BASE_BYTES = 256 * 1024;
const MAX_BYTES = 16 * 1024 * 1024;
/** Milliseconds between looks whether the disk has room again. */
const CHECK_INTERVAL_MS = 60_000;

/**
 * Room on the disk of the data folder that only a start may use: SQLite can't even read without writing a little beside each
 * file, and what is mapped has to go on after a reboot, however full the disk is.
 */
export class DiskReserve {
  readonly #data: DataFolder;
  readonly #log: Log;

  constructor(data: DataFolder, log: Log) {
    this.#data = data;
    this.#log = log;
  }

  /** Gives the room away if there is no other, and answers whether a start has what it needs. */
  release(): boolean {
    const needed = this.#needed;
    if (hasRoom(this.#trial, needed)) return true;
    const held = this.#held;
    rmSync(this.#file, { force: true });
    const { root } = this.#data;
    if (held > 0) this.#log("warn", "the disk is full: starting with the room that was kept for it", { disk: root });
    else this.#log("warn", "the disk is full, and no room was kept for a start", { disk: root });
    return hasRoom(this.#trial, needed);
  }

  /** Takes the room for the next start, now and whenever the disk has room again, until `signal`. */
  keep(signal: AbortSignal): void {
    this.#take();
    const timer = setInterval(() => this.#take(), CHECK_INTERVAL_MS);
    timer.unref();
    signal.addEventListener("abort", () => clearInterval(timer), { once: true });
  }

  #take(): void {
    const needed = this.#needed;
    // As much has to be left as it takes, or it would be what fills the disk.
    if (this.#held >= needed || !hasRoom(this.#trial, 2 * needed)) return;
    if (!write(this.#file, needed)) tryRemove(this.#file);
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

/** Whether so many bytes can be written now. */
function hasRoom(trial: string, bytes: number): boolean {
  const has = write(trial, bytes);
  tryRemove(trial);
  return has;
}

/** Writes a file of so many bytes that no disk can pack; false when there is no room. */
function write(path: string, bytes: number): boolean {
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
