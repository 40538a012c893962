import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/** A process beyond doubt: ids are used again after a while, a pair of id and start is not. */
export type ProcessIdentity = { pid: number; started: string };

/** Marks a live process. Undefined when there is none of that id, or its start can't be told. */
export function identityOf(pid: number): ProcessIdentity | undefined {
  const started = process.platform === "linux" ? linuxStart(pid) : psField(pid, "lstart");
  return started === undefined ? undefined : { pid, started };
}

/** Whether that very process still lives. */
export function isAlive(identity: ProcessIdentity): boolean {
  return identityOf(identity.pid)?.started === identity.started;
}

/** Has a process go on that a signal has stopped, as a debugger or an earlier `sallyport backup` does it; false: none had. */
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

/** A letter as `ps` shows it: T is stopped by a signal, t by a debugger, which has its reasons. */
function stateOf(pid: number): string | undefined {
  if (process.platform === "linux") return linuxFields(pid)?.[0];
  return process.platform === "win32" ? undefined : psField(pid, "stat")?.[0];
}

function linuxStart(pid: number): string | undefined {
  const fields = linuxFields(pid);
  return fields?.[0] === "Z" && isWhollyDead(pid) ? undefined : fields?.[19];
}

/** What the kernel says of a process, from its state on; the start in clock ticks is the 20th. */
function linuxFields(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // Before it is the command in brackets, which may hold anything.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
}

/** Nobody has waited for it yet. While other threads of it are still ending, so are its sockets. */
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
