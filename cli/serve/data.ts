import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { Problem } from "../../link/problem.ts";
import { codeOf, writeWhole } from "./disk.ts";
import { shellWord } from "./hint.ts";

/** The paths of `serve --data DIR`: `storage` stays for ever; what is in `run` is made again at every start. */
export type DataFolder = { root: string; storage: string; run: string };

/** The name of the admin secret's file in a data folder and in a backup. */
export const SECRET = "admin-secret";

/** The name of a folder that a restore makes in a data folder while it runs; it stays when the restore is killed. */
export const UNFINISHED_RESTORE = "unfinished-restore";

export type AdminSecret = {
  file: string;
  /** Without line end. */
  value: string;
  /** Whether this start made it. */
  isNew: boolean;
  /** Whether other users of the machine can read it. */
  isExposed: boolean;
};

/** Returns the paths in a data folder, whether they exist or not. */
export function dataFolder(path: string): DataFolder {
  const root = resolve(path);
  return { root, storage: join(root, "storage"), run: join(root, "run") };
}

/** Opens a data folder and makes what is missing, accessible to its owner alone. Throws Problem. */
export function openData(path: string): DataFolder {
  const folder = dataFolder(path);
  try {
    makeFolder(folder.storage);
    makeFolder(folder.run);
  } catch (error) {
    throw dataProblem(folder.root, error);
  }
  return folder;
}

/** Makes a folder and its parents. mkdir's `recursive` is not used: on a read-only disk Node then reports a missing parent. */
function makeFolder(path: string): void {
  if (existsSync(path)) return;
  makeFolder(dirname(path));
  mkdirSync(path, { mode: 0o700 });
}

/** Reads the admin secret; makes one at the first start. Throws Problem when it can't be used. */
export function adminSecret(data: DataFolder): AdminSecret {
  const file = join(data.root, SECRET);
  const isNew = !existsSync(file);
  try {
    if (isNew) writeWhole(file, `${randomBytes(32).toString("base64url")}\n`);
    const value = readFileSync(file, "utf8").trim();
    if (value.length >= 16)
      return { file, value, isNew, isExposed: process.platform !== "win32" && (statSync(file).mode & 0o077) !== 0 };
  } catch (error) {
    throw dataProblem(data.root, error);
  }
  throw Problem.configuration(
    "admin-secret-short",
    `the admin secret in ${file} is shorter than 16 characters`,
    "write a longer one into the file, or delete the file: the next start makes one",
  );
}

/** Makes the Problem for an error of the data folder's disk. */
export function dataProblem(root: string, error: unknown): Problem {
  const cause = error instanceof Error ? error.message : String(error);
  switch (codeOf(error)) {
    case "EROFS":
      return Problem.configuration(
        "data-read-only",
        `the disk of ${root} is read-only: ${cause}`,
        "the kernel makes a disk read-only when it fails (see dmesg): repair it and mount it for writing, or restore a backup on another one",
      );
    case "ENOSPC":
    case "EDQUOT":
      return Problem.configuration(
        "disk-full",
        `the disk of ${root} is full: ${cause}`,
        `free space on it (see df ${shellWord(root)}) and start again; nothing that was confirmed is lost`,
      );
    default:
      return Problem.configuration(
        "data-unusable",
        `${root} can't be used as data folder: ${cause}`,
        "give a folder that this user can write to: --data DIR",
      );
  }
}
