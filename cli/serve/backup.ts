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

/** What is between a folder's name and the process that has not finished it. */
const UNFINISHED = ".unfinished-";

export type BackedUp = {
  databases: number;
  /** Why the data folder does not know of this backup; undefined when it does. */
  recordError: string | undefined;
};

/** Makes a backup, which the data folder knows of from then on. Throws Problem. */
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
 * Copies what the edge keeps, which is all that it can't make again, into a new folder. The edge goes on meanwhile. The folder
 * appears when it is whole and was looked through; until `signal`, or a failure, nothing is left of it. Answers how many databases
 * there are, and when they were as they are. Throws Problem.
 */
export async function copyEdge(
  dataPath: string,
  target: string,
  signal: AbortSignal,
): Promise<{ databases: number; at: string }> {
  const data = dataFolder(dataPath);
  if (!existsSync(data.storage))
    throw Problem.configuration("no-data", `${data.root} is no data folder of an edge`, "--data DIR, as serve has it");
  const folder = resolve(target);
  if (existsSync(folder))
    throw Problem.configuration(
      "backup-exists",
      `${folder} is there already`,
      "name a folder that is not, so that no older backup is half overwritten",
    );
  if (!relative(data.storage, folder).startsWith(".."))
    throw Problem.usage("backup-inside", `${folder} is within what is backed up`, "name a folder outside of it");
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

/** Copies one database of an edge that may run; one that is gone by then is left out. Throws Problem, or the disk's error. */
async function copyOne(file: string, to: string, signal: AbortSignal): Promise<void> {
  mkdirSync(dirname(to), { recursive: true, mode: 0o700 });
  try {
    if (await copyDatabase(file, to, signal)) return;
  } catch (error) {
    // A relay that was removed meanwhile.
    if (existsSync(file)) throw error;
    return;
  }
  throw new Problem(
    EXIT.failed,
    "backup-outrun",
    `the edge writes to ${file} faster than it can be copied`,
    "try again when less is going on, or on a faster disk, or stop serve first",
  );
}

/** Makes a folder whole or not at all: `fill` is given a draft of it. Throws Problem. */
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
  if (signal.aborted) return interrupted(`no ${folder} was made`);
  return new Problem(
    EXIT.failed,
    "backup-failed",
    error instanceof Error ? error.message : String(error),
    `check the space and the rights of ${dirname(folder)}`,
  );
}

export function interrupted(what: string): Problem {
  return new Problem(EXIT.failed, "interrupted", `interrupted: ${what}`, "run it again");
}

/** Removes what a process that was killed left of this folder: it holds keys, and nobody else will. */
function removeUnfinished(folder: string): void {
  if (!existsSync(dirname(folder))) return;
  for (const name of readdirSync(dirname(folder))) {
    const pid = name.startsWith(`${basename(folder)}${UNFINISHED}`)
      ? Number(name.split(UNFINISHED).at(-1))
      : Number.NaN;
    if (Number.isInteger(pid) && identityOf(pid) === undefined) tryRemove(join(dirname(folder), name));
  }
}
