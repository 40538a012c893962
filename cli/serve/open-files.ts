import { spawnSync } from "node:child_process";
import type { Log } from "../../link/log.ts";

/** Open files that an edge should be allowed. workerd needs two for a visitor's connection while it is idle, and up to six while it streams. */
const SUFFICIENT_FILES = 16_384;
const MAX_FILES_PER_VISITOR = 6;

/**
 * Warns when the limit on open files is low: workerd exits when it can't accept another connection. Node raises its soft limit to the
 * hard one when it starts, and workerd inherits that.
 */
export function warnOfLowFileLimit(log: Log): void {
  const files = openFilesLimit();
  if (files === undefined || files >= SUFFICIENT_FILES) return;
  log(
    "warn",
    `the limit on open files is low: ${files}, which is certain to be enough for ${Math.floor(files / MAX_FILES_PER_VISITOR)} visitors only`,
    {
      fix: `raise the hard limit (ulimit -Hn, LimitNOFILE= of a unit, --ulimit nofile= of a container) to ${SUFFICIENT_FILES} or more: at the limit workerd exits and is restarted`,
    },
  );
}

/** Returns how many files a child of this process may open; undefined: unlimited or unknown. */
function openFilesLimit(): number | undefined {
  if (process.platform === "win32") return undefined;
  const { stdout } = spawnSync("/bin/sh", ["-c", "ulimit -n"], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const files = Number(stdout);
  return Number.isInteger(files) && files > 0 ? files : undefined;
}
