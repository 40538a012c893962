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

/** A file for one secret, readable by its owner alone from its first moment. It appears whole, or not at all. */
export type SecretFile = Disposable & {
  /** Where it will be. */
  readonly path: string;
  /** Writes the secret, as a line, and gives the file its name. Throws Problem. */
  write: (secret: string) => void;
};

/**
 * Makes sure that a secret can be written to a file, before there is one: what is issued and can't be kept is lost. `force`: a
 * file that is there is replaced. Dispose of it when there will be none. Throws Problem.
 */
export function newSecretFile(file: string, force: boolean): SecretFile {
  const path = resolve(file);
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there !== undefined && !(force && there.isFile()))
    throw Problem.configuration(
      "file-exists",
      `${path} is there already${there.isFile() ? "" : ", and is no plain file"}`,
      there.isFile() ? "name a file that is not, or add --force to replace it" : "name another file",
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
        // An access list of the folder may have given it to others.
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

/** Gives a draft a name that is still free. Throws EEXIST when it is not, whoever took it meanwhile. */
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
      "name a file in a folder that this user may write",
    );
  }
}
