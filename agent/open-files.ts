import { closeSync, openSync } from "node:fs";
import type { Log } from "../link/log.ts";
import type { Failure } from "../shared/wire/errors.ts";

/** Milliseconds between two warnings. */
const WARN_MS = 60_000;

const NO_FILES = "the agent has no file descriptors left";

/** Builds the failure of a dial for which no file descriptor is left. */
export function noFilesFailure(): Failure {
  return { code: "busy", reason: NO_FILES };
}

/**
 * Tells whether another file can be opened. Call this after a failed lookup: without file descriptors, the resolver reports that a name
 * does not exist.
 */
export function canOpenFile(): boolean {
  try {
    closeSync(openSync(process.execPath, "r"));
    return true;
  } catch (error) {
    return !["EMFILE", "ENFILE"].includes((error as NodeJS.ErrnoException).code ?? "");
  }
}

/** Returns how many files this process may open; undefined if there is no limit, or it is unknown. Takes some milliseconds, but no descriptor. */
export function openFilesLimit(): number | undefined {
  type Report = { userLimits?: Record<string, { soft: number | string }> };
  const { userLimits } = (process.report?.getReport() ?? {}) as Report;
  const soft = userLimits?.["open_files"]?.soft;
  return typeof soft === "number" ? soft : undefined;
}

/** A warning, at most once a minute, that streams are refused for lack of file descriptors. */
export class OpenFilesWarning {
  readonly #log: Log;
  readonly #limit: () => number | undefined;
  #warnedAt = Number.NEGATIVE_INFINITY;

  constructor(log: Log, limit = openFilesLimit) {
    this.#log = log;
    this.#limit = limit;
  }

  /** Logs the warning if a stream ended for lack of a file descriptor. `now` in monotonic milliseconds. */
  onStreamEnd(failure: Failure | null, now: number): void {
    if (failure?.reason !== NO_FILES || now - this.#warnedAt < WARN_MS) return;
    this.#warnedAt = now;
    const fix = "raise the limit (LimitNOFILE= of its unit, or ulimit -n): each stream takes a descriptor";
    this.#log("warn", NO_FILES, { limit: this.#limit(), fix });
  }
}
