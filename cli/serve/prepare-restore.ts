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
  /** The folder of the backup. */
  source: string;
  /** The data folder to restore into. */
  data: string;
  /** A data folder or a later backup of the same edge; absent: the folder that was backed up, if it still exists. */
  former?: string | undefined;
  revokeAll: boolean;
  /** The source of the built Worker. */
  worker: string;
  env: NodeJS.ProcessEnv;
  log: Log;
};

/** A temporary copy of a backup, ready to be restored, and messages for the admin. Disposal removes it. */
export type PreparedBackup = Disposable & { folder: string; messages: string[] };

/** Never aborted: until the copy is ready, a signal ends this process (see `temporaryFolder`). */
const NEVER = new AbortController().signal;

/** The state of the edge that the restored one replaces, and the folder it was read from. */
type Former = { state: State; name: string };

/**
 * Copies a backup and revokes in the copy what has been revoked since, so that no edge ever serves the old state. Does not change the
 * backup. Throws Problem; then nothing may be restored.
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
    return [
      ...messages,
      `warning: tokens that were revoked after ${at} are valid again; they can't be listed: ${error.message}\n`,
    ];
  }
}

/** Reads the state that the restored edge replaces. If `--former` did not name it, an unusable one only adds a message. Throws Problem. */
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
      throw Problem.configuration(
        "no-data",
        `${name} is neither the data folder nor a backup of an edge`,
        "name another folder with --former",
      );
    const copy = join(temporary, "former");
    // An edge may be running on a data folder, but not on a backup.
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
    return { revocations: revokedSince(then, state, began), name };
  } catch (error) {
    return ignoreFormer(error, isNamed, name, messages);
  }
}

/** Adds a message that the former state can't be used. Throws the error instead if `--former` named that state. */
function ignoreFormer(error: unknown, isNamed: boolean, name: string, messages: string[]): null {
  if (isNamed || !(error instanceof Problem)) throw error;
  messages.push(`warning: revocations in ${name}, which was backed up here, can't be taken over: ${error.message}\n`);
  return null;
}

/** Replaces the copy's admin secret with that of the former state, if it was changed since. */
function keepNewerSecret(temporary: string, folder: string, name: string, messages: string[]): void {
  const [later, then] = [join(temporary, "former", SECRET), join(folder, SECRET)];
  if (!existsSync(later) || (existsSync(then) && readFileSync(later, "utf8") === readFileSync(then, "utf8"))) return;
  cpSync(later, then);
  messages.push(`the admin secret is the one of ${name}, because it was changed after the backup\n`);
}

/** Whether `path` holds an edge's data and is another folder than the one to restore into. */
function isOtherEdgeData(path: string, data: string): boolean {
  if (!existsSync(join(path, "storage"))) return false;
  return !existsSync(data) || realpathSync(path) !== realpathSync(data);
}

function copyFolder(from: string, to: string): void {
  cpSync(resolve(from), to, { recursive: true, preserveTimestamps: true });
}
