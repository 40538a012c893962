/** Inputs worth keeping: one of each kind that a target tells apart, and every one that once found a defect. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../../scripts/tool.ts";

const FOLDER = join(ROOT, "test/corpus");

/** The inputs kept for a target. Characters of binary ones are bytes. */
export function readCorpus(target: string): string[] {
  try {
    return JSON.parse(readFileSync(fileOf(target), "utf8")) as string[];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** Keeps these, each once, in an order that does not depend on when they were found. */
export function writeCorpus(target: string, inputs: readonly string[]): void {
  const kept = [...new Set(inputs)].toSorted((a, b) => a.length - b.length || (a < b ? -1 : 1));
  // Escaped, so that no editor or diff is led astray by what is in them.
  const text = JSON.stringify(kept, undefined, 1).replace(
    /[^\x20-\x7e\n]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  writeFileSync(fileOf(target), `${text}\n`);
}

function fileOf(target: string): string {
  return join(FOLDER, `${target}.json`);
}
