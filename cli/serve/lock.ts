import { renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Problem } from "../../link/problem.ts";
import { dataProblem, type DataFolder } from "./data.ts";
import { tryRemove } from "./disk.ts";
import { createPidFile, readPidFile, restorePidFile } from "./pid-file.ts";
import { isAlive, identityOf, type ProcessIdentity } from "./process.ts";

/**
 * Locks the data folder for this process: two workerds on one storage would damage it. Takes over the lock of a dead process.
 * Throws Problem(data-in-use) when the process that holds the lock is alive.
 */
export function lockData({ root, run }: DataFolder): Disposable {
  const path = join(run, "serve.lock");
  const own = identityOf(process.pid) ?? { pid: process.pid, started: "unknown" };
  try {
    if (!createPidFile(path, own)) {
      const holder = readPidFile(path);
      if (holder !== undefined && isAlive(holder)) throw inUse(root, holder);
      setAside(path, holder);
      if (!createPidFile(path, own)) throw inUse(root, readPidFile(path));
    }
  } catch (error) {
    throw error instanceof Problem ? error : dataProblem(root, error);
  }
  return { [Symbol.dispose]: () => tryRemove(path) };
}

/** Returns the live process that holds the folder's lock; undefined: there is none. */
export function holderOf({ run }: DataFolder): ProcessIdentity | undefined {
  const holder = readPidFile(join(run, "serve.lock"));
  return holder !== undefined && isAlive(holder) ? holder : undefined;
}

/** Removes a stale lock, but not the new lock of another process that has just replaced it. */
function setAside(path: string, stale: ProcessIdentity | undefined): void {
  const aside = `${path}.stale.${process.pid}`;
  try {
    renameSync(path, aside);
  } catch {
    return;
  }
  const taken = readPidFile(aside);
  if (taken !== undefined && (taken.pid !== stale?.pid || taken.started !== stale.started)) restorePidFile(aside, path);
  else rmSync(aside, { force: true });
}

function inUse(root: string, holder: ProcessIdentity | undefined): Problem {
  const who = holder === undefined ? "another process" : `process ${holder.pid}`;
  return Problem.configuration(
    "data-in-use",
    `${root} is in use by another sallyport serve (${who})`,
    "stop it first, or give this one another folder with --data",
  );
}
