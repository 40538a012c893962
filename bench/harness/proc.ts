/** What processes have used, from /proc. */
import { readdirSync, readFileSync } from "node:fs";

/** Clock ticks a second: USER_HZ, 100 on every Linux there is. */
const TICKS = 100;
const PAGE_BYTES = 4096;

interface Stat {
  readonly pid: number;
  readonly name: string;
  readonly parent: number;
  /** Seconds of itself and of the children it has buried. */
  readonly seconds: number;
}

/** CPU seconds, user and system, of a process and all its descendants, dead or alive. */
export function cpuSeconds(pid: number): number {
  const all = stats();
  const family = new Set([pid]);
  // Parents are not always older than their children, so until nothing is added.
  for (let size = 0; size !== family.size;) {
    size = family.size;
    for (const stat of all) if (family.has(stat.parent)) family.add(stat.pid);
  }
  return all.reduce((sum, stat) => sum + (family.has(stat.pid) ? stat.seconds : 0), 0);
}

/** The same of a process that has no children: without looking at all that there are. */
export function ownSeconds(pid: number): number {
  return statOf(String(pid))?.seconds ?? 0;
}

/** A child of this process by its program's name; null when there is none. */
export function childNamed(name: string): number | null {
  return stats().find((stat) => stat.parent === process.pid && stat.name === name)?.pid ?? null;
}

/** Resident bytes of one process. */
export function residentBytes(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]) * PAGE_BYTES;
}

function stats(): Stat[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => statOf(name) ?? []);
}

function statOf(pid: string): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name, in parentheses, may hold anything.
    const end = text.lastIndexOf(")");
    const fields = text
      .slice(end + 2)
      .split(" ")
      .map(Number);
    const [utime = 0, stime = 0, cutime = 0, cstime = 0] = fields.slice(11, 15);
    const seconds = (utime + stime + cutime + cstime) / TICKS;
    return { pid: Number(pid), name: text.slice(text.indexOf("(") + 1, end), parent: fields[1] ?? 0, seconds };
  } catch {
    return undefined;
  }
}
