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
 * Looks at the databases before workerd opens them: it would only say that something failed, take an empty file for a new edge,
 * and write to what is damaged. Throws Problem(data-damaged) that names the files and the newest usable backup.
 */
export function checkStorage({ root, storage }: DataFolder): Inspection {
  if (existsSync(join(root, UNFINISHED_RESTORE))) {
    throw Problem.configuration(
      "restore-unfinished",
      `a restore into ${root} was ended before it was done`,
      `run it again: sallyport restore BACKUP --data ${shellWord(root)}`,
    );
  }
  const found = inspect(storage);
  if (found.faults.length > 0) throw damageProblem(root, found.faults);
  return found;
}

/** What to tell of damaged files of this data folder, or of a backup of it. */
export function damageProblem(root: string, faults: readonly Fault[]): Problem {
  const alternative = faults.every(({ file }) => isRelayDatabase(file))
    ? "or move away each file that is named, with its -wal and -shm: a relay takes its rules from the registry again"
    : "or move this folder away to begin anew";
  return Problem.configuration(
    "data-damaged",
    faults.map(({ file, fault }) => `${file} ${fault}`).join("\n"),
    `${restoreAdvice(root)}; ${alternative}`,
  );
}

/** What workerd says when SQLite finds damage while it runs. */
const DAMAGE = /SQLITE_(?:CORRUPT|NOTADB)/;

/** A log for workerd's lines, which adds once what is damaged, and what can be done about it. */
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
 * `serve --check`: whether an edge could serve this folder, or has what it needs while it does. Looks only: nothing is made,
 * written or started. Answers what was found, for people. Throws Problem with what is wrong.
 */
export function checkEdge(dataPath: string, tls: TlsFiles | null): string {
  const data = dataFolder(dataPath);
  if (!existsSync(data.storage))
    throw Problem.configuration("no-data", `${data.root} is no data folder of an edge`, "--data DIR, as serve has it");
  if (tls !== null) readTls(tls);
  const { databases, bytes } = inspectData(data);
  if (existsSync(join(data.root, SECRET))) adminSecret(data);
  const newest = newestBackup(data.root);
  const holder = holderOf(data);
  const lines = [
    `${data.root}: ${databases} databases of ${(bytes / 1e6).toFixed(1)} MB, nothing is damaged`,
    holder === undefined ? "no edge serves it now" : `an edge serves it now (process ${holder.pid})`,
    newest === undefined ? "no usable backup is known here" : `newest usable backup: ${newest.path}, made ${newest.at}`,
  ];
  return `${lines.join("\n")}\n`;
}

function inspectData(data: DataFolder): Inspection {
  try {
    return checkStorage(data);
  } catch (error) {
    throw error instanceof Problem ? error : dataProblem(data.root, error);
  }
}
