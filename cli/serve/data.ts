import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Problem } from "../../link/problem.ts";

/** What `serve --data DIR` keeps: `storage` and the admin secret for ever, `run` anew at every start. */
export type DataFolder = { root: string; storage: string; run: string };

export type AdminSecret = {
  file: string;
  /** Without line end. */
  value: string;
  /** Whether this start made it. */
  isNew: boolean;
  /** Whether other users of the machine can read it. */
  isOpen: boolean;
};

/** Opens the folder, making what is missing, for its owner alone. Throws Problem(data-unusable). */
export function openData(path: string): DataFolder {
  const root = resolve(path);
  const folder = { root, storage: join(root, "storage"), run: join(root, "run") };
  try {
    mkdirSync(folder.storage, { recursive: true, mode: 0o700 });
    mkdirSync(folder.run, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw unusable(root, error);
  }
  return folder;
}

/** Reads the admin secret, making it at the first start. Throws Problem when it can't be used. */
export function adminSecret(data: DataFolder): AdminSecret {
  const file = join(data.root, "admin-secret");
  const isNew = !existsSync(file);
  try {
    if (isNew) writeFileSync(file, `${randomBytes(32).toString("base64url")}\n`, { mode: 0o600, flag: "wx" });
    const value = readFileSync(file, "utf8").trim();
    if (value.length >= 16)
      return { file, value, isNew, isOpen: process.platform !== "win32" && (statSync(file).mode & 0o077) !== 0 };
  } catch (error) {
    throw unusable(data.root, error);
  }
  throw Problem.configuration(
    "admin-secret-short",
    `${file} holds no usable admin secret (under 16 characters)`,
    "write a longer one into it, or delete it: the next start makes one",
  );
}

function unusable(root: string, error: unknown): Problem {
  const cause = error instanceof Error ? error.message : String(error);
  return Problem.configuration(
    "data-unusable",
    `${root} can't be used as data folder: ${cause}`,
    "give a folder that this user may write with --data DIR",
  );
}
