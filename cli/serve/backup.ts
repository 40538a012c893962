import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import * as z from "zod";
import { EXIT, Problem } from "../../link/problem.ts";
import { VERSION } from "../../shared/version.ts";
import { openData } from "./data.ts";
import { lockData, readMark } from "./lock.ts";
import { isAlive } from "./process.ts";

/** What a backup holds of a data folder: all that an edge can't make again. */
const PARTS = ["storage", "admin-secret"];
const NOTE = "backup.json";

const note = z.object({ version: z.string(), at: z.string() });

/**
 * Copies what the edge keeps into a new folder, while it runs. workerd stands still for the copy: what lies on disk at one moment is what
 * SQLite finds after a power cut, and it mends that. Answers for how many milliseconds. Throws Problem.
 */
export function backup(dataPath: string, target: string): number {
  const root = resolve(dataPath);
  if (!existsSync(join(root, "storage")))
    throw Problem.configuration("no-data", `${root} is no data folder of an edge`, "--data DIR, as serve has it");
  const folder = resolve(target);
  if (existsSync(folder))
    throw Problem.configuration(
      "backup-exists",
      `${folder} is there already`,
      "name a folder that is not, so that no older backup is half overwritten",
    );
  const draft = `${folder}.${process.pid}`;
  const mark = readMark(join(root, "run/workerd.pid"));
  const running = mark !== undefined && isAlive(mark) ? mark.pid : undefined;
  if (running !== undefined && process.platform === "win32") {
    throw Problem.configuration(
      "edge-running",
      "on Windows a running edge can't be stopped for a moment",
      "stop serve first",
    );
  }
  let began = 0;
  let stood = 0;
  try {
    mkdirSync(draft, { recursive: true, mode: 0o700 });
    began = performance.now();
    if (running !== undefined) process.kill(running, "SIGSTOP");
    try {
      for (const part of PARTS)
        if (existsSync(join(root, part)))
          cpSync(join(root, part), join(draft, part), { recursive: true, preserveTimestamps: true });
    } finally {
      if (running !== undefined) process.kill(running, "SIGCONT");
      stood = performance.now() - began;
    }
    const made = { version: VERSION, at: new Date().toISOString(), from: root };
    writeFileSync(join(draft, NOTE), `${JSON.stringify(made)}\n`, {
      mode: 0o600,
    });
    renameSync(draft, folder);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    if (error instanceof Problem) throw error;
    throw new Problem(
      EXIT.failed,
      "backup-failed",
      error instanceof Error ? error.message : String(error),
      "check the space and the rights of the folder it goes to",
    );
  }
  return running === undefined ? 0 : stood;
}

/** Puts a backup into a data folder that has nothing in it yet. Answers when it was made. Throws Problem. */
export function restore(source: string, dataPath: string): string {
  const from = resolve(source);
  const made = readNote(from);
  const data = openData(dataPath);
  using _lock = lockData(data);
  const taken = readdirSync(data.storage).length > 0 || existsSync(join(data.root, "admin-secret"));
  if (taken)
    throw Problem.configuration(
      "data-not-empty",
      `${data.root} holds an edge's data already`,
      "give another --data, or move that one away first",
    );
  for (const part of PARTS)
    if (existsSync(join(from, part)))
      cpSync(join(from, part), join(data.root, part), { recursive: true, preserveTimestamps: true });
  return made.at;
}

function readNote(folder: string): z.infer<typeof note> {
  try {
    return note.parse(JSON.parse(readFileSync(join(folder, NOTE), "utf8")));
  } catch {
    throw Problem.configuration(
      "no-backup",
      `${folder} is no backup of ours`,
      "name a folder that sallyport backup has made",
    );
  }
}
