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

/** What a backup says of itself, after a look at all of it. Throws Problem when it can't be put into this data folder. */
export function checkBackup(source: string, dataPath: string): Manifest {
  const from = resolve(source);
  const manifest = readManifest(from);
  if (manifest === undefined || !existsSync(join(from, "storage"))) {
    throw Problem.configuration(
      "no-backup",
      `${from} is no backup of ours`,
      "name a folder that sallyport backup has made",
    );
  }
  const { faults } = inspect(join(from, "storage"));
  if (faults.length > 0) throw damageProblem(dataFolder(dataPath).root, faults);
  return manifest;
}

/**
 * Puts a backup into a data folder that has nothing in it yet: all of it, or nothing when it fails or `signal` comes. The backup
 * stays as it is. Answers when it was made. Throws Problem.
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
        `${data.root} holds an edge's data already`,
        "give another --data, or move that one away first",
      );
    }
    await fill(data, from, signal);
    return manifest.at;
  } catch (error) {
    if (!wasThere) tryRemove(data.root);
    if (error instanceof Problem) throw error;
    if (signal.aborted) throw interrupted(`${data.root} is as it was`);
    throw new Problem(
      EXIT.failed,
      "restore-failed",
      error instanceof Error ? error.message : String(error),
      `check the space and the rights of ${data.root}`,
    );
  }
}

/** Copies beside what is to be, and puts it in place at the end: the secret first, because storage is what makes an edge. */
async function fill(data: DataFolder, from: string, signal: AbortSignal): Promise<void> {
  const draft = join(data.root, UNFINISHED_RESTORE);
  // Ours alone: we hold the lock.
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

/** Whether something is in the folder; not what a restore of this very backup has left that was killed. */
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
