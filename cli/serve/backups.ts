import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { writeWhole } from "./disk.ts";
import { shellWord } from "./hint.ts";
import { inspect } from "./storage.ts";

// The list of a data folder's backups, so that an error about a damaged folder can name the backup to restore.

const FILE = "backups.json";
/** The most backups that are listed; older ones are dropped. */
const MAX_RECORDS = 50;
/** The name of the manifest, the file in a backup that describes it. */
export const MANIFEST = "backup.json";

/** `from`: the data folder that was backed up; absent in backups of earlier versions. */
const manifestShape = z.object({ version: z.string(), at: z.string(), from: z.string().optional() });
const listShape = z.array(z.object({ path: z.string(), at: z.string() }));

export type Manifest = z.infer<typeof manifestShape>;
type BackupRecord = z.infer<typeof listShape>[number];

/** Reads the manifest of a backup; undefined when the folder is not a backup. */
export function readManifest(folder: string): Manifest | undefined {
  try {
    return manifestShape.parse(JSON.parse(readFileSync(join(folder, MANIFEST), "utf8")));
  } catch {
    return undefined;
  }
}

/** Records in the data folder where a backup was put. Throws the disk's error. */
export function recordBackup(root: string, path: string, at: string): void {
  const others = backupsOf(root).filter((kept) => kept.path !== path);
  // Backups are often made by another user than the one that runs serve: both must read this file. The folder itself is private.
  writeWhole(
    join(root, FILE),
    `${JSON.stringify([...others, { path, at }].slice(-MAX_RECORDS), undefined, 1)}\n`,
    0o644,
  );
}

/** Finds the newest backup that is still in its place and undamaged; undefined: there is none that this user can read. */
export function newestBackup(root: string): BackupRecord | undefined {
  return backupsOf(root)
    .toReversed()
    .find(({ path, at }) => readManifest(path)?.at === at && isUndamaged(path));
}

/** Writes the fix of an error about a data folder that can't be used. */
export function restoreAdvice(root: string): string {
  const newest = newestBackup(root);
  if (newest !== undefined) {
    const command = `sallyport restore ${shellWord(newest.path)} --data NEW-FOLDER`;
    return `restore the newest usable backup, made ${newest.at}: ${command}`;
  }
  const last = backupsOf(root).at(-1);
  const known =
    last === undefined
      ? "none is recorded here"
      : `the last one recorded, ${last.path}, is missing, damaged or unreadable`;
  return `restore a backup (${known}): sallyport restore BACKUP --data NEW-FOLDER`;
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
