import { randomUUID } from "node:crypto";
import { closeSync, existsSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Problem } from "../../link/problem.ts";
import { isFull } from "./disk.ts";

/** The file descriptor from which workerd reads its configuration. */
export const CONFIG_FD = 4;
/** The folder in which Linux shows a process its own descriptors as files. */
const OWN_FILES = "/proc/self/fd";

/** A configuration on its way to workerd. */
export type Handover = {
  /** The path that workerd opens. */
  path: string;
  /** The open file to pass to workerd as CONFIG_FD; undefined: none. */
  file: number | undefined;
  /** To be called when workerd has read the configuration. */
  done: () => void;
};

/**
 * Prepares a file from which workerd reads its configuration, which contains the certificate's key. On Linux the file is unlinked
 * before the key is written, and in memory if possible; elsewhere it is in `folder`, readable by its owner alone, until `done`.
 * Throws Problem(disk-full) when no folder has room for it.
 */
export function handOver(config: string, folder: string): Handover {
  if (!existsSync(OWN_FILES)) {
    const path = join(folder, `config.${randomUUID()}`);
    writeFileSync(path, config, { mode: 0o600, flag: "wx" });
    return { path, file: undefined, done: () => rmSync(path, { force: true }) };
  }
  for (const place of ["/dev/shm", folder, tmpdir()]) {
    const file = openUnlinked(join(place, `sallyport.${randomUUID()}`), config);
    if (file !== undefined) return { path: `${OWN_FILES}/${CONFIG_FD}`, file, done: () => closeSync(file) };
  }
  throw Problem.configuration(
    "disk-full",
    `no room for workerd's configuration (1 MB) in /dev/shm, ${folder} or ${tmpdir()}`,
    "free space in one of them",
  );
}

/** Opens an unlinked file with this content; undefined when the place is full or can't be written to. */
function openUnlinked(path: string, content: string): number | undefined {
  let file: number | undefined;
  try {
    file = openSync(path, "wx+", 0o600);
    rmSync(path);
    writeFileSync(file, content);
    return file;
  } catch (error) {
    if (file !== undefined) closeSync(file);
    if (error instanceof Error && "code" in error && (isFull(error) || file === undefined)) return undefined;
    throw error;
  }
}
