import {
  closeSync,
  constants,
  copyFileSync,
  fchmodSync,
  fsyncSync,
  linkSync,
  lstatSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { resolve } from "node:path";
import { Problem } from "../link/problem.ts";

/** A new file for one secret. Only its owner can ever read it; it appears under its name with its content, or not at all. */
export type SecretFile = Disposable & {
  /** The path it will have. */
  readonly path: string;
  /** Writes the secret as a line, then gives the file its name. Throws Problem. */
  write: (secret: string) => void;
};

/**
 * Opens a file for a secret before the secret is issued: a secret that can't be written is lost. `force`: an existing file is
 * replaced. Disposing of it without a `write` leaves no file. Throws Problem.
 */
export function newSecretFile(file: string, force: boolean): SecretFile {
  const path = resolve(file);
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there !== undefined && !(force && there.isFile()))
    throw Problem.configuration(
      "file-exists",
      `${path} exists already${there.isFile() ? "" : " and is not a regular file"}`,
      there.isFile() ? "name another file, or add --force to replace it" : "name another file",
    );
  const draft = `${path}.${process.pid}.new`;
  const handle = attempt(path, () => openSync(draft, "wx", 0o600));
  let isOpen = true;
  const close = (): void => {
    if (isOpen) closeSync(handle);
    isOpen = false;
  };
  return {
    path,
    write: (secret) =>
      attempt(path, () => {
        // A default ACL of the folder may have let other users read it.
        if (process.platform !== "win32") fchmodSync(handle, 0o600);
        writeSync(handle, `${secret}\n`);
        fsyncSync(handle);
        close();
        if (force) renameSync(draft, path);
        else putInPlace(draft, path);
      }),
    [Symbol.dispose]: () => {
      close();
      rmSync(draft, { force: true });
    },
  };
}

/** Gives a draft its name. Throws EEXIST when another process has taken the name meanwhile. */
function putInPlace(draft: string, path: string): void {
  try {
    linkSync(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") throw error;
    // File systems of memory cards and some shares have no hard links.
    copyFileSync(draft, path, constants.COPYFILE_EXCL);
  }
}

function attempt<T>(path: string, step: () => T): T {
  try {
    return step();
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw Problem.configuration(
      "file-unwritable",
      `${path} can't be written: ${cause}`,
      "name a file in a folder that this user can write to",
    );
  }
}
