import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { writeWhole } from "./disk.ts";
import { shellWord } from "./hint.ts";
import { inspect } from "./storage.ts";

// Where the backups of a data folder went: a damaged one says which to restore.

const FILE = "backups.json";
/** Backups remembered: those before are seldom there any more. */
const MAX_RECORDS = 50;
/** The file in a backup that says what it is. */
export const MANIFEST = "backup.json";

/** `from`: the data folder that it was made of; earlier versions did not say. */
const manifestShape = z.object({ version: z.string(), at: z.string(), from: z.string().optional() });
const listShape = z.array(z.object({ path: z.string(), at: z.string() }));

export type Manifest = z.infer<typeof manifestShape>;
type BackupRecord = z.infer<typeof listShape>[number];

/** The note of a backup; undefined when the folder is none. */
export function readManifest(folder: string): Manifest | undefined {
  try {
    return manifestShape.parse(JSON.parse(readFileSync(join(folder, MANIFEST), "utf8")));
  } catch {
    return undefined;
  }
}

/** Notes in the data folder where a backup went. Throws the disk's error. */
export function recordBackup(root: string, path: string, at: string): void {
  const others = backupsOf(root).filter((kept) => kept.path !== path);
  // Who makes backups is often another user than the one who serves: both have to read it, in a folder that is private.
  writeWhole(
    join(root, FILE),
    `${JSON.stringify([...others, { path, at }].slice(-MAX_RECORDS), undefined, 1)}\n`,
    0o644,
  );
}

/** The newest backup that is where it was put, and whole; undefined when there is none that this user can read. */
export function newestBackup(root: string): BackupRecord | undefined {
  return backupsOf(root)
    .toReversed()
    .find(({ path, at }) => readManifest(path)?.at === at && isUndamaged(path));
}

/** What to do with a data folder that can't be used. */
export function restoreAdvice(root: string): string {
  const newest = newestBackup(root);
  if (newest !== undefined) {
    const command = `sallyport restore ${shellWord(newest.path)} --data NEW-FOLDER`;
    return `put the newest usable backup in place, made ${newest.at}: ${command}`;
  }
  const last = backupsOf(root).at(-1);
  const known =
    last === undefined ? "none is known here" : `the last one known went to ${last.path}, and can't be used from here`;
  return `put a backup in place (${known}): sallyport restore BACKUP --data NEW-FOLDER`;
}

function isUndamaged(path: string): boolean {
  try {
    return inspect(join(path, "storage")).faults.length === 0;
  } catch {
    return false;
  }
}

function backupsOf(root: string): BackupRecord[] {
  try {
    return listShape.parse(JSON.parse(readFileSync(join(root, FILE), "utf8")));
  } catch {
    return [];
  }
}
