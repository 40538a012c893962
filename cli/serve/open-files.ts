import { spawnSync } from "node:child_process";
import type { Log } from "../../link/log.ts";

/** Open files that an edge should be allowed: an idle visitor takes two of workerd's, one that streams up to six. */
const ENOUGH_FILES = 16_384;
const MAX_FILES_PER_VISITOR = 6;

/**
 * Warns when this machine allows few open files: workerd ends when it can't accept another connection. Node raises the limit
 * that may be raised (the soft one) to the one that may not when it starts, and workerd inherits it.
 */
export function warnOfFewOpenFiles(log: Log): void {
  const files = openFilesLimit();
  if (files === undefined || files >= ENOUGH_FILES) return;
  log(
    "warn",
    `this machine allows ${files} open files, which may be ${Math.floor(files / MAX_FILES_PER_VISITOR)} visitors`,
    {
      fix: `raise the hard limit (ulimit -Hn, LimitNOFILE= of a unit, --ulimit nofile= of a container) to ${ENOUGH_FILES} or more: beyond it workerd ends, and is started again`,
    },
  );
}

/** How many files a child of this process may open; undefined: as many as it likes, or nobody can tell. */
function openFilesLimit(): number | undefined {
  if (process.platform === "win32") return undefined;
  const { stdout } = spawnSync("/bin/sh", ["-c", "ulimit -n"], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const files = Number(stdout);
  return Number.isInteger(files) && files > 0 ? files : undefined;
}
