import { existsSync, mkdirSync, readdirSync, renameSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { EXIT, Problem } from "../../link/problem.ts";
import { VERSION } from "../../shared/wire/version.ts";
import { MANIFEST, recordBackup } from "./backups.ts";
import { damageProblem } from "./data-check.ts";
import { copyDatabase, copyFile, flushFolder } from "./database-copy.ts";
import { dataFolder, SECRET } from "./data.ts";
import { tryRemove, writeWhole } from "./disk.ts";
import { identityOf } from "./process.ts";
import { databasesIn, inspect } from "./storage.ts";

/** Stands between a folder's name and the id of the process that is still writing it. */
const UNFINISHED = ".unfinished-";

export type BackedUp = {
  databases: number;
  /** Why the backup could not be recorded in the data folder; undefined: it is recorded. */
  recordError: string | undefined;
};

/** Makes a backup and records it in the data folder. Throws Problem. */
export async function backup(dataPath: string, target: string, signal: AbortSignal): Promise<BackedUp> {
  const { databases, at } = await copyEdge(dataPath, target, signal);
  try {
    recordBackup(dataFolder(dataPath).root, resolve(target), at);
    return { databases, recordError: undefined };
  } catch (error) {
    return { databases, recordError: error instanceof Error ? error.message : String(error) };
  }
}

/**
 * Copies the storage and the admin secret of an edge, which may be running, into a new folder. The folder appears when it is complete
 * and checked; after `signal` or a failure nothing is left of it. Returns the number of databases and the time of the state that they
 * hold. Throws Problem.
 */
export async function copyEdge(
  dataPath: string,
  target: string,
  signal: AbortSignal,
): Promise<{ databases: number; at: string }> {
  const data = dataFolder(dataPath);
  if (!existsSync(data.storage))
    throw Problem.configuration(
      "no-data",
      `${data.root} is not the data folder of an edge`,
      "give the folder that serve was started with: --data DIR",
    );
  const folder = resolve(target);
  if (existsSync(folder))
    throw Problem.configuration(
      "backup-exists",
      `${folder} exists already`,
      "name a new folder: a backup never overwrites another",
    );
  if (!relative(data.storage, folder).startsWith(".."))
    throw Problem.usage(
      "backup-inside",
      `${folder} is inside ${data.storage}, which is backed up`,
      "name a folder outside it",
    );
  const at = new Date().toISOString();
  const databases = await buildFolder(folder, signal, async (draft) => {
    const storage = join(draft, "storage");
    for (const file of databasesIn(data.storage))
      await copyOne(file, join(storage, relative(data.storage, file)), signal);
    await copyFile(join(data.root, SECRET), join(draft, SECRET), signal);
    const { databases: count, faults } = inspect(storage);
    const there = faults.map(({ file, fault }) => ({ file: join(data.storage, relative(storage, file)), fault }));
    if (faults.length > 0) throw damageProblem(data.root, there);
    writeWhole(join(draft, MANIFEST), `${JSON.stringify({ version: VERSION, at, from: data.root })}\n`);
    return count;
  });
  return { databases, at };
}

/** Copies one database of an edge that may be running; skips one that was removed meanwhile. Throws Problem, or the disk's error. */
async function copyOne(file: string, to: string, signal: AbortSignal): Promise<void> {
  mkdirSync(dirname(to), { recursive: true, mode: 0o700 });
  try {
    if (await copyDatabase(file, to, signal)) return;
  } catch (error) {
    // The site of this relay was removed meanwhile.
    if (existsSync(file)) throw error;
    return;
  }
  throw new Problem(
    EXIT.failed,
    "backup-outrun",
    `the edge writes to ${file} faster than it can be copied`,
    "try again when the edge is less busy, or on a faster disk, or stop serve first",
  );
}

/** Makes a folder completely or not at all: `fill` fills a draft, which is renamed. Throws Problem. */
async function buildFolder<T>(folder: string, signal: AbortSignal, fill: (draft: string) => Promise<T>): Promise<T> {
  const draft = `${folder}${UNFINISHED}${process.pid}`;
  try {
    removeUnfinished(folder);
    mkdirSync(draft, { recursive: true, mode: 0o700 });
    const answer = await fill(draft);
    signal.throwIfAborted();
    renameSync(draft, folder);
    flushFolder(dirname(folder));
    return answer;
  } catch (error) {
    tryRemove(draft);
    throw problemOf(error, signal, folder);
  }
}

function problemOf(error: unknown, signal: AbortSignal, folder: string): Problem {
  if (error instanceof Problem) return error;
  if (signal.aborted) return interrupted(`${folder} was not made`);
  return new Problem(
    EXIT.failed,
    "backup-failed",
    error instanceof Error ? error.message : String(error),
    `check free space and permissions of ${dirname(folder)}`,
  );
}

export function interrupted(what: string): Problem {
  return new Problem(EXIT.failed, "interrupted", `interrupted: ${what}`, "run it again");
}

/** Removes unfinished drafts of this folder that killed processes left behind: they hold keys. */
function removeUnfinished(folder: string): void {
  if (!existsSync(dirname(folder))) return;
  for (const name of readdirSync(dirname(folder))) {
    const pid = name.startsWith(`${basename(folder)}${UNFINISHED}`)
      ? Number(name.split(UNFINISHED).at(-1))
      : Number.NaN;
    if (Number.isInteger(pid) && identityOf(pid) === undefined) tryRemove(join(dirname(folder), name));
  }
}
