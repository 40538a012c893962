import { renameSync, rmSync, writeFileSync } from "node:fs";

/** Returns the code of a system error, as ENOSPC; "" when there is none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

/** Whether the error says that a disk, or the user's quota on it, is full. */
export function isFull(error: unknown): boolean {
  return codeOf(error) === "ENOSPC" || codeOf(error) === "EDQUOT";
}

/** Writes a file completely or not at all, readable by its owner alone unless `mode` says otherwise. Throws the disk's error. */
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

/** Removes a file or folder; ignores errors. */
export function tryRemove(path: string): void {
  try {
    rmSync(path, { force: true, recursive: true });
  } catch {
    // The disk may be read-only or gone.
  }
}
