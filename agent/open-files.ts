import { closeSync, openSync } from "node:fs";
import type { Log } from "../link/log.ts";
import type { Failure } from "../shared/wire/errors.ts";

/** Milliseconds between two warnings. */
const WARN_MS = 60_000;

const NO_FILES = "the agent has no file descriptors left";

/** What a dial ends with that would have needed another open file. */
export function noFiles(): Failure {
  return { code: "busy", reason: NO_FILES };
}

/** Whether another file may be opened. A resolver that may not open any says that it does not know the name. */
export function mayOpenFile(): boolean {
  try {
    closeSync(openSync(process.execPath, "r"));
    return true;
  } catch (error) {
    return !["EMFILE", "ENFILE"].includes((error as NodeJS.ErrnoException).code ?? "");
  }
}

/** How many files this process may open; undefined: as many as it likes, or nobody can tell. Takes some milliseconds, but no file. */
export function openFilesLimit(): number | undefined {
  type Report = { userLimits?: Record<string, { soft: number | string }> };
  const { userLimits } = (process.report?.getReport() ?? {}) as Report;
  const soft = userLimits?.["open_files"]?.soft;
  return typeof soft === "number" ? soft : undefined;
}

/** Warns, now and then, that streams are refused because no more files may be open. */
export class OpenFilesWarning {
  readonly #log: Log;
  readonly #limit: () => number | undefined;
  #warnedAt = Number.NEGATIVE_INFINITY;

  constructor(log: Log, limit = openFilesLimit) {
    this.#log = log;
    this.#limit = limit;
  }

  /** A stream has ended. `now` in monotonic milliseconds. */
  ended(failure: Failure | null, now: number): void {
    if (failure?.reason !== NO_FILES || now - this.#warnedAt < WARN_MS) return;
    this.#warnedAt = now;
    const fix = "raise the limit (LimitNOFILE= of its unit, or ulimit -n): each stream takes one";
    this.#log("warn", NO_FILES, { limit: this.#limit(), fix });
  }
}
