import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { Problem } from "../../link/problem.ts";
import type { DataFolder } from "./data.ts";
import { isAlive, markOf, type ProcessMark } from "./process.ts";

const mark = z.object({ pid: z.int().positive(), started: z.string() });

/** Reads a process mark from a file; undefined when it is missing or damaged. */
export function readMark(path: string): ProcessMark | undefined {
  try {
    return mark.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return undefined;
  }
}

/**
 * Takes the data folder for this process: two workerds on one storage would damage it.
 * What a killed process left behind is taken over. Throws Problem(data-in-use) when another one lives.
 */
export function lockData({ root, run }: DataFolder): Disposable {
  const path = join(run, "serve.lock");
  const own = markOf(process.pid) ?? { pid: process.pid, started: "unknown" };
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, JSON.stringify(own), { mode: 0o600 });
  try {
    // link() is the atomic step: the lock appears with its content, or not at all.
    if (!tryLink(draft, path)) {
      const holder = readMark(path);
      if (holder !== undefined && isAlive(holder)) throw inUse(root, holder);
      setAside(path, holder);
      if (!tryLink(draft, path)) throw inUse(root, readMark(path));
    }
  } finally {
    rmSync(draft, { force: true });
  }
  return { [Symbol.dispose]: () => rmSync(path, { force: true }) };
}

function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  }
}

/** Removes a stale lock, but not the fresh one of a process that was quicker to see it was stale. */
function setAside(path: string, stale: ProcessMark | undefined): void {
  const aside = `${path}.stale.${process.pid}`;
  try {
    renameSync(path, aside);
  } catch {
    return;
  }
  const taken = readMark(aside);
  if (taken !== undefined && (taken.pid !== stale?.pid || taken.started !== stale.started)) tryLink(aside, path);
  rmSync(aside, { force: true });
}

function inUse(root: string, holder: ProcessMark | undefined): Problem {
  const who = holder === undefined ? "another process" : `process ${holder.pid}`;
  return Problem.configuration(
    "data-in-use",
    `${root} is in use by another sallyport serve (${who})`,
    "stop that one first, or give this one a folder of its own with --data",
  );
}
