import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Log } from "../../link/log.ts";
import { Problem } from "../../link/problem.ts";
import { restoreAdvice, newestBackup } from "./backups.ts";
import { adminSecret, dataFolder, dataProblem, SECRET, UNFINISHED_RESTORE, type DataFolder } from "./data.ts";
import { shellWord } from "./hint.ts";
import { holderOf } from "./lock.ts";
import { inspect, isRelayDatabase, type Fault, type Inspection } from "./storage.ts";
import { readTls, type TlsFiles } from "./tls.ts";

/**
 * Checks the databases before workerd opens them. workerd would only report that something failed, would take an empty file for a new
 * edge, and would write to damaged files. Throws Problem(data-damaged), which names the files and the newest usable backup.
 */
export function checkStorage({ root, storage }: DataFolder): Inspection {
  if (existsSync(join(root, UNFINISHED_RESTORE))) {
    throw Problem.configuration(
      "restore-unfinished",
      `a restore into ${root} was interrupted`,
      `run it again: sallyport restore BACKUP --data ${shellWord(root)}`,
    );
  }
  const found = inspect(storage);
  if (found.faults.length > 0) throw damageProblem(root, found.faults);
  return found;
}

/** Makes the Problem about damaged files in this data folder, or in a backup of it. */
export function damageProblem(root: string, faults: readonly Fault[]): Problem {
  const alternative = faults.every(({ file }) => isRelayDatabase(file))
    ? "or move each named file away, with its -wal and -shm: the relay gets its rules from the registry again"
    : "or move this folder away to start with an empty edge";
  return Problem.configuration(
    "data-damaged",
    faults.map(({ file, fault }) => `${file} ${fault}`).join("\n"),
    `${restoreAdvice(root)}; ${alternative}`,
  );
}

/** What workerd logs when SQLite finds damage at run time. */
const DAMAGE = /SQLITE_(?:CORRUPT|NOTADB)/;

/** Wraps a log for workerd's lines. At the first line about damage, adds which files are damaged and how to fix it. */
export function diagnosingLog(data: DataFolder, log: Log): Log {
  let isDone = false;
  return (level, message, fields) => {
    log(level, message, fields);
    if (isDone || !DAMAGE.test(message)) return;
    isDone = true;
    try {
      checkStorage(data);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      log("error", error.message, { code: error.code, fix: error.fix });
    }
  };
}

/**
 * `serve --check`: checks whether an edge can serve this folder, while one may be using it. Writes and starts nothing. Returns a
 * report for people. Throws Problem with what is wrong.
 */
export function checkEdge(dataPath: string, tls: TlsFiles | null): string {
  const data = dataFolder(dataPath);
  if (!existsSync(data.storage))
    throw Problem.configuration(
      "no-data",
      `${data.root} is not the data folder of an edge`,
      "give the folder that serve was started with: --data DIR",
    );
  if (tls !== null) readTls(tls);
  const { databases, bytes } = checkStorageOrExplain(data);
  if (existsSync(join(data.root, SECRET))) adminSecret(data);
  const newest = newestBackup(data.root);
  const holder = holderOf(data);
  const lines = [
    `${data.root}: ${databases} databases, ${(bytes / 1e6).toFixed(1)} MB, nothing is damaged`,
    holder === undefined ? "no edge is using it" : `an edge is using it (process ${holder.pid})`,
    newest === undefined
      ? "no usable backup is recorded here"
      : `newest usable backup: ${newest.path}, made ${newest.at}`,
  ];
  return `${lines.join("\n")}\n`;
}

/** Like checkStorage, but throws a Problem for a file that can't be read, too. */
function checkStorageOrExplain(data: DataFolder): Inspection {
  try {
    return checkStorage(data);
  } catch (error) {
    throw error instanceof Problem ? error : dataProblem(data.root, error);
  }
}
