import { rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "../../link/log.ts";
import { tryRemove } from "./disk.ts";
import { readPidFile, replacePidFile } from "./pid-file.ts";
import { isAlive, identityOf } from "./process.ts";

const FILE = "workerd.pid";
const POLL_MS = 10;

/** Remembers the workerd of this folder for a launcher that comes after a crash. */
export function rememberWorkerd(run: string, pid: number): void {
  const identity = identityOf(pid);
  if (identity === undefined) return;
  const path = join(run, FILE);
  try {
    replacePidFile(path, identity);
  } catch {
    // Only that crash would be worse.
    tryRemove(path);
  }
}

/** Ends a workerd that outlived its launcher: it would hold the ports and the storage. The folder's lock must be held. */
export async function endStaleWorkerd(run: string, log: Log): Promise<void> {
  const path = join(run, FILE);
  const identity = readPidFile(path);
  if (identity !== undefined && isAlive(identity)) {
    log("warn", "ending a workerd that an earlier launcher left behind", { pid: identity.pid });
    process.kill(identity.pid, "SIGKILL");
    // Not our child, so there is no event to wait for.
    while (isAlive(identity)) await sleep(POLL_MS);
  }
  rmSync(path, { force: true });
}
