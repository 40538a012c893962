import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { EXIT, Problem } from "../../link/problem.ts";
import { interrupted } from "./backup.ts";
import { readManifest, type Manifest } from "./backups.ts";
import { damageProblem } from "./data-check.ts";
import { copyFile, flushFolder } from "./database-copy.ts";
import { dataFolder, openData, SECRET, UNFINISHED_RESTORE, type DataFolder } from "./data.ts";
import { tryRemove } from "./disk.ts";
import { lockData } from "./lock.ts";
import { inspect } from "./storage.ts";

/** Checks a backup and returns its manifest. Throws Problem when it is not a backup or is damaged. */
export function checkBackup(source: string, dataPath: string): Manifest {
  const from = resolve(source);
  const manifest = readManifest(from);
  if (manifest === undefined || !existsSync(join(from, "storage"))) {
    throw Problem.configuration(
      "no-backup",
      `${from} is not a backup of an edge`,
      "name a folder that sallyport backup has made",
    );
  }
  const { faults } = inspect(join(from, "storage"));
  if (faults.length > 0) throw damageProblem(dataFolder(dataPath).root, faults);
  return manifest;
}

/**
 * Copies a backup into an empty data folder: all of it, or nothing on a failure or `signal`. Does not change the backup. Returns when
 * the backup was made. Throws Problem.
 */
export async function restore(source: string, dataPath: string, signal: AbortSignal): Promise<string> {
  const from = resolve(source);
  const manifest = checkBackup(source, dataPath);
  const wasThere = existsSync(dataFolder(dataPath).root);
  const data = openData(dataPath);
  try {
    using _lock = lockData(data);
    if (isTaken(data, from)) {
      throw Problem.configuration(
        "data-not-empty",
        `${data.root} already holds the data of an edge`,
        "give another folder with --data, or move this one away first",
      );
    }
    await fill(data, from, signal);
    return manifest.at;
  } catch (error) {
    if (!wasThere) tryRemove(data.root);
    if (error instanceof Problem) throw error;
    if (signal.aborted) throw interrupted(`${data.root} is unchanged`);
    throw new Problem(
      EXIT.failed,
      "restore-failed",
      error instanceof Error ? error.message : String(error),
      `check free space and permissions of ${data.root}`,
    );
  }
}

/** Copies into a draft, then moves everything into place: the secret first, because a folder with storage counts as an edge's. */
async function fill(data: DataFolder, from: string, signal: AbortSignal): Promise<void> {
  const draft = join(data.root, UNFINISHED_RESTORE);
  // No other process uses it: this one holds the lock.
  rmSync(draft, { recursive: true, force: true });
  try {
    for (const name of readdirSync(from, { recursive: true, withFileTypes: true })) {
      const file = join(name.parentPath, name.name);
      const part = relative(from, file);
      if (!name.isFile() || !(part === SECRET || part.startsWith("storage"))) continue;
      mkdirSync(dirname(join(draft, part)), { recursive: true, mode: 0o700 });
      await copyFile(file, join(draft, part), signal);
    }
    signal.throwIfAborted();
    if (existsSync(join(draft, SECRET))) renameSync(join(draft, SECRET), join(data.root, SECRET));
    rmdirSync(data.storage);
    renameSync(join(draft, "storage"), data.storage);
    flushFolder(data.root);
  } finally {
    tryRemove(draft);
  }
}

/** Whether the folder holds data, other than what a killed restore of this same backup has left. */
function isTaken({ root, storage }: DataFolder, from: string): boolean {
  if (readdirSync(storage).length > 0) return true;
  return existsSync(join(root, SECRET)) && textOf(join(root, SECRET)) !== textOf(join(from, SECRET));
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
