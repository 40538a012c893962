import { renameSync, rmSync, writeFileSync } from "node:fs";

/** The code of a system error, as ENOSPC; "" when it is none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

/** Whether a disk, or what a user may take of it, is full. */
export function isFull(error: unknown): boolean {
  return codeOf(error) === "ENOSPC" || codeOf(error) === "EDQUOT";
}

/** Writes a file whole or not at all, for its owner alone unless `mode` says otherwise. Throws the disk's error. */
export function writeWhole(path: string, text: string, mode = 0o600): void {
  const draft = `${path}.${process.pid}`;
  try {
    writeFileSync(draft, text, { mode });
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
}

/** Removes a file if that is possible. */
export function tryRemove(path: string): void {
  try {
    rmSync(path, { force: true, recursive: true });
  } catch {
    // The disk is read-only, or not ours any more.
  }
}
