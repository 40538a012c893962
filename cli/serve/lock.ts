import { renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Problem } from "../../link/problem.ts";
import { dataProblem, type DataFolder } from "./data.ts";
import { tryRemove } from "./disk.ts";
import { createPidFile, readPidFile, restorePidFile } from "./pid-file.ts";
import { isAlive, identityOf, type ProcessIdentity } from "./process.ts";

/**
 * Takes the data folder for this process: two workerds on one storage would damage it.
 * What a killed process left behind is taken over. Throws Problem(data-in-use) when another one lives.
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

/** The process that serves this folder now; undefined: none does. */
export function holderOf({ run }: DataFolder): ProcessIdentity | undefined {
  const holder = readPidFile(join(run, "serve.lock"));
  return holder !== undefined && isAlive(holder) ? holder : undefined;
}

/** Removes a stale lock, but not the fresh one of a process that was quicker to see it was stale. */
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
    "stop that one first, or give this one a folder of its own with --data",
  );
}
