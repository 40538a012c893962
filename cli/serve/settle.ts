import { cpSync, existsSync, readFileSync, realpathSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Log } from "../../link/log.ts";
import { Problem } from "../../link/problem.ts";
import { carryOver, type CarryOver } from "../carry-over.ts";
import { revokedSince, stateOf, type State } from "../revoked-since.ts";
import { copyEdge } from "./backup.ts";
import { readNote, type Note } from "./backups.ts";
import { SECRET } from "./data.ts";
import { checkBackup } from "./restore.ts";
import { secretFolder } from "./secret-folder.ts";
import { withShortEdge } from "./short-edge.ts";

export type SettleOptions = {
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
export type Settled = Disposable & { folder: string; told: string[] };

/** A signal ends this process while nothing is where it is to stay: see `secretFolder`. */
const NEVER = new AbortController().signal;

/** The state of what a restored edge replaces, and its folder. */
type Former = { state: State; name: string };

/**
 * Makes of a backup what may be restored: a copy of it in which has ended what ended since, so that no moment passes in which an
 * edge could serve it as it was. The backup stays as it is. Throws Problem, and then there is nothing to be restored.
 */
export async function settle(options: SettleOptions): Promise<Settled> {
  const note = checkBackup(options.source, options.data);
  const room = secretFolder();
  try {
    const folder = join(room.path, "backup");
    copyFolder(options.source, folder);
    const told = await settled(options, note, room.path, folder);
    room.leaveSignals();
    return { folder, told, [Symbol.dispose]: () => room[Symbol.dispose]() };
  } catch (error) {
    room[Symbol.dispose]();
    throw error;
  }
}

async function settled(options: SettleOptions, { at, from }: Note, room: string, folder: string): Promise<string[]> {
  const { source, former, revokeAll } = options;
  const began = Date.now();
  const told: string[] = [];
  const replaced = await formerOf(options, from, room, told);
  try {
    const lines = await withShortEdge({ ...options, folder }, async (edge) => {
      const then = { ...stateOf(await edge.call<object>("GET", "/archive"), source), at };
      const later = laterOf(then, replaced, former !== undefined, began, told);
      if (later !== null) keepSecret(room, folder, later.name, told);
      return carryOver(edge, then, { later, revokeAll, began });
    });
    return [...told, ...(lines ?? [])];
  } catch (error) {
    if (revokeAll || replaced !== null || !(error instanceof Problem)) throw error;
    return [...told, `warning: what was revoked after ${at} is good again; it can't be shown: ${error.message}\n`];
  }
}

/** The state of what the restored edge replaces. One that was not asked for may be unusable: that is said, and no more. */
async function formerOf(
  options: SettleOptions,
  from: string | undefined,
  room: string,
  told: string[],
): Promise<Former | null> {
  const { former, data } = options;
  const name = former ?? from;
  if (name === undefined || (former === undefined && !isAnother(name, data))) return null;
  try {
    if (!existsSync(join(name, "storage")))
      throw Problem.configuration("no-data", `${name} is neither data folder nor backup of an edge`, "name another");
    const copy = join(room, "former");
    // An edge may be running on a data folder; a backup is nobody's.
    if (readNote(name) === undefined) await copyEdge(name, copy, NEVER);
    else copyFolder(name, copy);
    const archive = await withShortEdge({ ...options, folder: copy }, (edge) => edge.call<object>("GET", "/archive"));
    return archive === null ? null : { state: stateOf(archive, name), name };
  } catch (error) {
    return passOver(error, former !== undefined, name, told);
  }
}

function laterOf(
  then: State,
  replaced: Former | null,
  isNamed: boolean,
  began: number,
  told: string[],
): CarryOver["later"] {
  if (replaced === null) return null;
  const { state, name } = replaced;
  try {
    return { since: revokedSince(then, state, began), name };
  } catch (error) {
    return passOver(error, isNamed, name, told);
  }
}

/** Says that a former state is of no use, unless it was asked for: then it is thrown. */
function passOver(error: unknown, isNamed: boolean, name: string, told: string[]): null {
  if (isNamed || !(error instanceof Problem)) throw error;
  told.push(`warning: what ${name}, which this was made of, has revoked since is not known: ${error.message}\n`);
  return null;
}

/** A secret that was changed since would be the old one again. */
function keepSecret(room: string, folder: string, name: string, told: string[]): void {
  const [later, then] = [join(room, "former", SECRET), join(folder, SECRET)];
  if (!existsSync(later) || (existsSync(then) && readFileSync(later, "utf8") === readFileSync(then, "utf8"))) return;
  cpSync(later, then);
  told.push(`the admin secret is that of ${name}, which has changed since\n`);
}

/** Whether there is an edge's data at `path`, and that is not where the backup is to be put. */
function isAnother(path: string, data: string): boolean {
  if (!existsSync(join(path, "storage"))) return false;
  return !existsSync(data) || realpathSync(path) !== realpathSync(data);
}

function copyFolder(from: string, to: string): void {
  cpSync(resolve(from), to, { recursive: true, preserveTimestamps: true });
}
