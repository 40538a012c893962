import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readMark } from "./lock.ts";
import type { Log } from "../../link/log.ts";
import { isAlive, markOf } from "./process.ts";

const FILE = "workerd.pid";

/** Remembers the workerd of this folder for a launcher that comes after a crash. */
export function rememberWorkerd(run: string, pid: number): void {
  const mark = markOf(pid);
  if (mark !== undefined) writeFileSync(join(run, FILE), JSON.stringify(mark), { mode: 0o600 });
}

/** Ends a workerd that outlived its launcher: it would hold the ports and the storage. The folder's lock must be held. */
export function endStaleWorkerd(run: string, log: Log): void {
  const path = join(run, FILE);
  const mark = readMark(path);
  if (mark !== undefined && isAlive(mark)) {
    log("warn", "ending a workerd that an earlier launcher left behind", { pid: mark.pid });
    process.kill(mark.pid, "SIGKILL");
  }
  rmSync(path, { force: true });
}
