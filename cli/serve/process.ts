import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/** A process beyond doubt: ids are used again after a while, a pair of id and start is not. */
export type ProcessMark = { pid: number; started: string };

/** Marks a live process. Undefined when there is none of that id, or its start can't be told. */
export function markOf(pid: number): ProcessMark | undefined {
  const started = process.platform === "linux" ? linuxStart(pid) : psStart(pid);
  return started === undefined ? undefined : { pid, started };
}

/** Whether that very process still lives. */
export function isAlive(mark: ProcessMark): boolean {
  return markOf(mark.pid)?.started === mark.started;
}

function linuxStart(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the command in brackets and may hold anything; the start in clock ticks is the 20th after it.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" && isWhollyDead(pid) ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/** Nobody has waited for it yet. While other threads of it are still ending, so are its sockets. */
function isWhollyDead(pid: number): boolean {
  return readdirSync(`/proc/${pid}/task`).length <= 1;
}

function psStart(pid: number): string | undefined {
  try {
    return (
      execFileSync("ps", ["-o", "lstart=", "-p", String(pid)], {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "ignore"],
      }).trim() || undefined
    );
  } catch {
    return undefined;
  }
}
