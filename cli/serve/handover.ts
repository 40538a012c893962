import { randomUUID } from "node:crypto";
import { closeSync, existsSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Problem } from "../../link/problem.ts";
import { isFull } from "./disk.ts";

/** The descriptor of workerd that the configuration is behind. */
export const CONFIG_FD = 4;
/** Where Linux shows a process its own descriptors as files. */
const OWN_FILES = "/proc/self/fd";

/** A configuration on its way to workerd. */
export type Handover = {
  /** What workerd opens. */
  path: string;
  /** What it has to be started with as CONFIG_FD; undefined: nothing. */
  file: number | undefined;
  /** Called when workerd has read it. */
  done: () => void;
};

/**
 * Hands workerd its configuration, which holds the key of the certificate. On Linux the file has no name by the time that it has
 * content, and is in memory if it can be; elsewhere it is in `folder`, for the owner alone, until workerd has read it.
 * Throws Problem(disk-full) when there is room for it nowhere.
 */
export function handOver(config: string, folder: string): Handover {
  if (!existsSync(OWN_FILES)) {
    const path = join(folder, `config.${randomUUID()}`);
    writeFileSync(path, config, { mode: 0o600, flag: "wx" });
    return { path, file: undefined, done: () => rmSync(path, { force: true }) };
  }
  for (const place of ["/dev/shm", folder, tmpdir()]) {
    const file = nameless(join(place, `sallyport.${randomUUID()}`), config);
    if (file !== undefined) return { path: `${OWN_FILES}/${CONFIG_FD}`, file, done: () => closeSync(file) };
  }
  throw Problem.configuration(
    "disk-full",
    `there is no room for workerd's configuration (1 MB) in /dev/shm, ${folder} or ${tmpdir()}`,
    "make room in one of them",
  );
}

/** An open file with this content and without a name; undefined when there can be none at this place. */
function nameless(path: string, content: string): number | undefined {
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
