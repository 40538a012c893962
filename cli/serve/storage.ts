import { readdirSync, statSync } from "node:fs";
import { join, sep } from "node:path";
import { codeOf } from "./disk.ts";
import { faultIn } from "./sqlite/check.ts";
import { generationOf } from "./sqlite/generation.ts";

/** The folder of the relays' databases; each takes its rules from the registry, whose own are in the other one. */
const RELAYS = "sallyport-relay";
const REGISTRY = "sallyport-registry";
/** The database of each folder that holds the alarms of its objects. */
const ALARMS = "metadata.sqlite";

/** Looks at one database that is written to meanwhile, before it is left as it is. */
const MAX_ATTEMPTS = 5;

export type Fault = { file: string; fault: string };

/** What is in a storage folder, and what is wrong with it. */
export type Inspection = { databases: number; bytes: number; faults: readonly Fault[] };

/** Paths of a storage folder's databases. Throws the disk's error. */
export function databasesIn(storage: string): string[] {
  return readdirSync(storage, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".sqlite"))
    .toSorted()
    .map((name) => join(storage, name));
}

/**
 * Looks at every page of every database, and writes nothing; the edge may run. Throws the disk's error when the folder can't be
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

/** Whether a database is a relay's: that one can be done without. */
export function isRelayDatabase(file: string): boolean {
  return file.includes(`${sep}${RELAYS}${sep}`);
}

/**
 * Whether an empty file is one that was being made when the machine stopped, and no loss: it holds no rules. The registry's own
 * is that only before there is any relay.
 */
function isUnused(file: string, files: readonly string[]): boolean {
  if (bytesOf(file) > 0) return false;
  const isRegistry = file.includes(`${sep}${REGISTRY}${sep}`) && !file.endsWith(ALARMS);
  return !isRegistry || !files.some((each) => isRelayDatabase(each) && !each.endsWith(ALARMS));
}

/** What is wrong with a database, if it is the same while it is looked at: workerd may be writing to it. */
function faultOf(file: string): string | undefined {
  try {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      const before = stateOf(file);
      const fault = faultIn(file);
      if (fault === undefined || stateOf(file) === before) return fault;
    }
    return undefined;
  } catch (error) {
    // A relay that was removed meanwhile.
    if (codeOf(error) === "ENOENT") return undefined;
    return `can't be read: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** Differs after what is in the file itself has changed. */
function stateOf(file: string): string {
  const { size, mtimeNs } = statSync(file, { bigint: true });
  return `${size} ${mtimeNs} ${generationOf(file)}`;
}

/** Bytes of a database and its log. */
function bytesOf(file: string): number {
  const size = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  return size(file) + size(`${file}-wal`);
}
