import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { Problem } from "../../link/problem.ts";
import { codeOf, writeWhole } from "./disk.ts";
import { shellWord } from "./hint.ts";

/** What `serve --data DIR` keeps: `storage` and the admin secret for ever, `run` anew at every start. */
export type DataFolder = { root: string; storage: string; run: string };

/** The file of the admin secret in a data folder, and in a backup. */
export const SECRET = "admin-secret";

/** What a restore that is under way, or was ended, has in a data folder. */
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

/** The folder's parts, there or not. */
export function dataFolder(path: string): DataFolder {
  const root = resolve(path);
  return { root, storage: join(root, "storage"), run: join(root, "run") };
}

/** Opens the folder, making what is missing, for its owner alone. Throws Problem. */
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

/** Makes a folder and those above it. With `recursive`, Node says of a read-only disk that the folder above is missing. */
function makeFolder(path: string): void {
  if (existsSync(path)) return;
  makeFolder(dirname(path));
  mkdirSync(path, { mode: 0o700 });
}

/** Reads the admin secret, making it at the first start. Throws Problem when it can't be used. */
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
    `${file} holds no usable admin secret (under 16 characters)`,
    "write a longer one into it, or delete it: the next start makes one",
  );
}

/** What to tell of a disk that the data folder can't be used on. */
export function dataProblem(root: string, error: unknown): Problem {
  const cause = error instanceof Error ? error.message : String(error);
  switch (codeOf(error)) {
    case "EROFS":
      return Problem.configuration(
        "data-read-only",
        `the disk of ${root} is read-only: ${cause}`,
        "the kernel makes a disk read-only when it fails (see dmesg): mend it and mount it for writing, or restore a backup on another one",
      );
    case "ENOSPC":
    case "EDQUOT":
      return Problem.configuration(
        "disk-full",
        `the disk of ${root} is full: ${cause}`,
        `make room on it (see df ${shellWord(root)}) and start again; nothing that was confirmed is lost`,
      );
    default:
      return Problem.configuration(
        "data-unusable",
        `${root} can't be used as data folder: ${cause}`,
        "give a folder that this user may write with --data DIR",
      );
  }
}
