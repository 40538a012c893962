import { cpSync, existsSync, readFileSync, realpathSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Log } from "../../link/log.ts";
import { Problem } from "../../link/problem.ts";
import { carryOver, type CarryOver } from "../carry-over.ts";
import { revokedSince, stateOf, type State } from "../revoked-since.ts";
import { copyEdge } from "./backup.ts";
import { readManifest, type Manifest } from "./backups.ts";
import { SECRET } from "./data.ts";
import { checkBackup } from "./restore.ts";
import { temporaryFolder } from "./temporary-folder.ts";
import { withTemporaryEdge } from "./temporary-edge.ts";

export type PrepareOptions = {
  /** What `sallyport backup` has made. */
  source: string;
  /** Where it is to be put. */
  data: string;
  /** A data folder, or a later backup, of the same edge; absent: the folder that the backup was made of, if it is there. */
  former?: string | undefined;
  revokeAll: boolean;
  /** Source of the built Worker. */
  worker: string;
  env: NodeJS.ProcessEnv;
  log: Log;
};

/** A backup as it is to be restored, and what its administrator has to know. Gone when disposed of. */
export type PreparedBackup = Disposable & { folder: string; messages: string[] };

/** A signal ends this process while nothing is where it is to stay: see `temporaryFolder`. */
const NEVER = new AbortController().signal;

/** The state of what a restored edge replaces, and its folder. */
type Former = { state: State; name: string };

/**
 * Makes of a backup what may be restored: a copy of it in which has ended what ended since, so that no moment passes in which an
 * edge could serve it as it was. The backup stays as it is. Throws Problem, and then there is nothing to be restored.
 */
export async function prepareRestore(options: PrepareOptions): Promise<PreparedBackup> {
  const manifest = checkBackup(options.source, options.data);
  const temporary = temporaryFolder();
  try {
    const folder = join(temporary.path, "backup");
    copyFolder(options.source, folder);
    const messages = await carryIntoCopy(options, manifest, temporary.path, folder);
    temporary.releaseSignals();
    return { folder, messages, [Symbol.dispose]: () => temporary[Symbol.dispose]() };
  } catch (error) {
    temporary[Symbol.dispose]();
    throw error;
  }
}

async function carryIntoCopy(
  options: PrepareOptions,
  { at, from }: Manifest,
  temporary: string,
  folder: string,
): Promise<string[]> {
  const { source, former, revokeAll } = options;
  const began = Date.now();
  const messages: string[] = [];
  const replaced = await readFormer(options, from, temporary, messages);
  try {
    const lines = await withTemporaryEdge({ ...options, folder }, async (edge) => {
      const then = { ...stateOf(await edge.call<object>("GET", "/archive"), source), at };
      const later = laterOf(then, replaced, former !== undefined, began, messages);
      if (later !== null) keepNewerSecret(temporary, folder, later.name, messages);
      return carryOver(edge, then, { later, revokeAll, began });
    });
    return [...messages, ...(lines ?? [])];
  } catch (error) {
    if (revokeAll || replaced !== null || !(error instanceof Problem)) throw error;
    return [...messages, `warning: what was revoked after ${at} is good again; it can't be shown: ${error.message}\n`];
  }
}

/** The state of what the restored edge replaces. One that was not asked for may be unusable: that is said, and no more. */
async function readFormer(
  options: PrepareOptions,
  from: string | undefined,
  temporary: string,
  messages: string[],
): Promise<Former | null> {
  const { former, data } = options;
  const name = former ?? from;
  if (name === undefined || (former === undefined && !isOtherEdgeData(name, data))) return null;
  try {
    if (!existsSync(join(name, "storage")))
      throw Problem.configuration("no-data", `${name} is neither data folder nor backup of an edge`, "name another");
    const copy = join(temporary, "former");
    // An edge may be running on a data folder; a backup is nobody's.
    if (readManifest(name) === undefined) await copyEdge(name, copy, NEVER);
    else copyFolder(name, copy);
    const archive = await withTemporaryEdge({ ...options, folder: copy }, (edge) =>
      edge.call<object>("GET", "/archive"),
    );
    return archive === null ? null : { state: stateOf(archive, name), name };
  } catch (error) {
    return ignoreFormer(error, former !== undefined, name, messages);
  }
}

function laterOf(
  then: State,
  replaced: Former | null,
  isNamed: boolean,
  began: number,
  messages: string[],
): CarryOver["later"] {
  if (replaced === null) return null;
  const { state, name } = replaced;
  try {
    return { since: revokedSince(then, state, began), name };
  } catch (error) {
    return ignoreFormer(error, isNamed, name, messages);
  }
}

/** Says that a former state is of no use, unless it was asked for: then it is thrown. */
function ignoreFormer(error: unknown, isNamed: boolean, name: string, messages: string[]): null {
  if (isNamed || !(error instanceof Problem)) throw error;
  messages.push(`warning: what ${name}, which this was made of, has revoked since is not known: ${error.message}\n`);
  return null;
}

/** A secret that was changed since would be the old one again. */
function keepNewerSecret(temporary: string, folder: string, name: string, messages: string[]): void {
  const [later, then] = [join(temporary, "former", SECRET), join(folder, SECRET)];
  if (!existsSync(later) || (existsSync(then) && readFileSync(later, "utf8") === readFileSync(then, "utf8"))) return;
  cpSync(later, then);
  messages.push(`the admin secret is that of ${name}, which has changed since\n`);
}

/** Whether there is an edge's data at `path`, and that is not where the backup is to be put. */
function isOtherEdgeData(path: string, data: string): boolean {
  if (!existsSync(join(path, "storage"))) return false;
  return !existsSync(data) || realpathSync(path) !== realpathSync(data);
}

function copyFolder(from: string, to: string): void {
  cpSync(resolve(from), to, { recursive: true, preserveTimestamps: true });
}
