import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { readMark } from "./lock.ts";
import type { Log } from "../../link/log.ts";
import { isAlive, markOf } from "./process.ts";

const FILE = "workerd.pid";
/** Bytes of the file, always: an older mark is overwritten whole. */
const SIZE = 256;
const POLL_MS = 10;

/** Remembers the workerd of this folder for a launcher that comes after a crash. */
export function rememberWorkerd(run: string, pid: number): void {
  const mark = markOf(pid);
  if (mark === undefined) return;
  const path = join(run, FILE);
  const text = JSON.stringify(mark).padEnd(SIZE);
  // Half a mark is none: who comes after a crash would leave that workerd alone.
  const draft = `${path}.${process.pid}`;
  try {
    writeFileSync(draft, text, { mode: 0o600 });
    renameSync(draft, path);
  } catch {
    rmSync(draft, { force: true });
    // On a full disk the file that is there has room for it still; without, only that crash would be worse.
    try {
      writeFileSync(path, text, { mode: 0o600, flag: "r+" });
    } catch {
      rmSync(path, { force: true });
    }
  }
}

/** Ends a workerd that outlived its launcher: it would hold the ports and the storage. The folder's lock must be held. */
export async function endStaleWorkerd(run: string, log: Log): Promise<void> {
  const path = join(run, FILE);
  const mark = readMark(path);
  if (mark !== undefined && isAlive(mark)) {
    log("warn", "ending a workerd that an earlier launcher left behind", { pid: mark.pid });
    process.kill(mark.pid, "SIGKILL");
    // Not our child, so there is no event to wait for.
    while (isAlive(mark)) await sleep(POLL_MS);
  }
  rmSync(path, { force: true });
}
