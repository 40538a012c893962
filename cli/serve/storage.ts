import { readdirSync, statSync } from "node:fs";
import { join, sep } from "node:path";
import { codeOf } from "./disk.ts";
import { faultIn } from "./sqlite/check.ts";
import { generationOf } from "./sqlite/generation.ts";

/** The folders of the relays' and the registry's databases. A relay gets its rules from the registry. */
const RELAYS = "sallyport-relay";
const REGISTRY = "sallyport-registry";
/** In each folder, the database with the alarms of its objects. */
const ALARMS = "metadata.sqlite";

/** Attempts to check one database that changes meanwhile, before it counts as undamaged. */
const MAX_ATTEMPTS = 5;

export type Fault = { file: string; fault: string };

/** How much a storage folder holds, and which of its databases are damaged. */
export type Inspection = { databases: number; bytes: number; faults: readonly Fault[] };

/** Lists the paths of a storage folder's databases. Throws the disk's error. */
export function databasesIn(storage: string): string[] {
  return readdirSync(storage, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".sqlite"))
    .toSorted()
    .map((name) => join(storage, name));
}

/**
 * Checks every page of every database and writes nothing; the edge may be running. Throws the disk's error when the folder can't be
 * read.
 */
export function inspect(storage: string): Inspection {
  const files = databasesIn(storage);
  const faults = files.flatMap((file): Fault[] => {
    const fault = isUnused(file, files) ? undefined : faultOf(file);
    return fault === undefined ? [] : [{ file, fault }];
  });
  return { databases: files.length, bytes: files.reduce((sum, file) => sum + bytesOf(file), 0), faults };
}

/** Whether a database is a relay's; the edge can do without that one. */
export function isRelayDatabase(file: string): boolean {
  return file.includes(`${sep}${RELAYS}${sep}`);
}

/**
 * Whether a file is empty because the machine stopped while the database was being made: nothing is lost then. For the registry's
 * own database that is possible only before there is any relay.
 */
function isUnused(file: string, files: readonly string[]): boolean {
  if (bytesOf(file) > 0) return false;
  const isRegistry = file.includes(`${sep}${REGISTRY}${sep}`) && !file.endsWith(ALARMS);
  return !isRegistry || !files.some((each) => isRelayDatabase(each) && !each.endsWith(ALARMS));
}

/** Returns what is wrong with a database. Checks again when it changed meanwhile, because workerd may be writing to it. */
function faultOf(file: string): string | undefined {
  try {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      const before = stateOf(file);
      const fault = faultIn(file);
      if (fault === undefined || stateOf(file) === before) return fault;
    }
    return undefined;
  } catch (error) {
    // The site of this relay was removed meanwhile.
    if (codeOf(error) === "ENOENT") return undefined;
    return `can't be read: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** Returns a text that differs whenever the file's content has changed. */
function stateOf(file: string): string {
  const { size, mtimeNs } = statSync(file, { bigint: true });
  return `${size} ${mtimeNs} ${generationOf(file)}`;
}

/** Returns the bytes of a database and its log. */
function bytesOf(file: string): number {
  const size = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  return size(file) + size(`${file}-wal`);
}
