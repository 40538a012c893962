import { linkSync, readFileSync, readlinkSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import * as z from "zod";
import { codeOf, isFull, writeWhole } from "./disk.ts";
import type { ProcessIdentity } from "./process.ts";

// Files that name a process by its id and start. A full disk has no room for a new file with content, but for a symbolic link: then
// the link's target is the content.

/** The length of every such file in bytes, so that a new identity overwrites all of an older one. */
const SIZE = 256;

const shape = z.object({ pid: z.int().positive(), started: z.string() });

/** Reads the process that a file names; undefined when the file is missing or damaged. */
export function readPidFile(path: string): ProcessIdentity | undefined {
  try {
    return shape.parse(JSON.parse(textAt(path)));
  } catch {
    return undefined;
  }
}

/** Makes the file in one step: it appears with its content, or not at all. False: one exists already. Throws the disk's error. */
export function createPidFile(path: string, identity: ProcessIdentity): boolean {
  const draft = `${path}.${process.pid}`;
  const text = JSON.stringify(identity);
  try {
    writeFileSync(draft, text, { mode: 0o600 });
    return isNew(() => linkSync(draft, path));
  } catch (error) {
    if (isFull(error)) return isNew(() => symlinkSync(text, path));
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Makes the file, or replaces an existing one. Throws the disk's error. */
export function replacePidFile(path: string, identity: ProcessIdentity): void {
  const text = JSON.stringify(identity).padEnd(SIZE);
  try {
    writeWhole(path, text);
  } catch (error) {
    if (!isFull(error)) throw error;
    // An existing file can be overwritten without more space.
    if (statSync(path, { throwIfNoEntry: false })?.size === SIZE) return writeFileSync(path, text, { flag: "r+" });
    rmSync(path, { force: true });
    symlinkSync(text.trim(), path);
  }
}

/** Gives a file that was set aside its name back, unless another process has made a new one. */
export function restorePidFile(aside: string, path: string): void {
  const identity = readPidFile(aside);
  if (identity !== undefined) createPidFile(path, identity);
  rmSync(aside, { force: true });
}

function isNew(make: () => void): boolean {
  try {
    make();
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  }
}

function textAt(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return readFileSync(path, "utf8");
  }
}
