import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/** What identifies a process: ids are reused after a while, a pair of id and start time is not. */
export type ProcessIdentity = { pid: number; started: string };

/** Returns the identity of a live process; undefined when there is none with that id, or its start time is unknown. */
export function identityOf(pid: number): ProcessIdentity | undefined {
  const started = process.platform === "linux" ? linuxStart(pid) : psField(pid, "lstart");
  return started === undefined ? undefined : { pid, started };
}

/** Whether exactly that process is still alive. */
export function isAlive(identity: ProcessIdentity): boolean {
  return identityOf(identity.pid)?.started === identity.started;
}

/** Continues a process that was stopped by a signal (an earlier version's `sallyport backup` did that). False: it was not stopped. */
export function continueIfStopped(pid: number): boolean {
  if (stateOf(pid) !== "T") return false;
  try {
    process.kill(pid, "SIGCONT");
  } catch {
    // It has ended meanwhile.
    return false;
  }
  return true;
}

/** Returns a process's state as `ps` shows it: T is stopped by a signal; t is stopped by a debugger, and is left alone. */
function stateOf(pid: number): string | undefined {
  if (process.platform === "linux") return linuxFields(pid)?.[0];
  return process.platform === "win32" ? undefined : psField(pid, "stat")?.[0];
}

function linuxStart(pid: number): string | undefined {
  const fields = linuxFields(pid);
  return fields?.[0] === "Z" && isWhollyDead(pid) ? undefined : fields?.[19];
}

/** Reads the fields of /proc/PID/stat from the state on; the 20th is the start in clock ticks. */
function linuxFields(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The field before is the command in brackets, which may contain brackets and spaces.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
}

/** Whether a zombie has no other threads left. While some are still ending, its sockets are still open. */
function isWhollyDead(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}/task`).length <= 1;
  } catch {
    return true;
  }
}

function psField(pid: number, field: "lstart" | "stat"): string | undefined {
  try {
    const output = execFileSync("ps", ["-o", `${field}=`, "-p", String(pid)], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    return output.trim() || undefined;
  } catch {
    return undefined;
  }
}
