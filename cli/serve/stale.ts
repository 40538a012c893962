import { rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "../../link/log.ts";
import { tryRemove } from "./disk.ts";
import { readPidFile, replacePidFile } from "./pid-file.ts";
import { isAlive, identityOf } from "./process.ts";

const FILE = "workerd.pid";
const POLL_MS = 10;

/** Records the running workerd in the folder, so that a launcher after a crash can end it. */
export function rememberWorkerd(run: string, pid: number): void {
  const identity = identityOf(pid);
  if (identity === undefined) return;
  const path = join(run, FILE);
  try {
    replacePidFile(path, identity);
  } catch {
    // Without the file only the start after a crash is worse off; a wrong one must not stay.
    tryRemove(path);
  }
}

/** Ends a workerd that outlived its launcher: it would hold the ports and the storage. The caller must hold the folder's lock. */
export async function endStaleWorkerd(run: string, log: Log): Promise<void> {
  const path = join(run, FILE);
  const identity = readPidFile(path);
  if (identity !== undefined && isAlive(identity)) {
    log("warn", "ending a workerd that an earlier launcher left behind", { pid: identity.pid });
    process.kill(identity.pid, "SIGKILL");
    // Not a child of this process, so no event says when it has ended.
    while (isAlive(identity)) await sleep(POLL_MS);
  }
  rmSync(path, { force: true });
}
