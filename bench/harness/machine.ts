import { readFileSync } from "node:fs";
import os from "node:os";
import { execute } from "../../test/support/run.ts";

/** What figures depend on. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly congestionControl: string;
  readonly node: string;
  readonly commit: string;
  /** One minute's load average before anything was measured: others may be using the machine. */
  readonly loadBefore: number;
}

export async function describeMachine(): Promise<Machine> {
  const { stdout } = await execute("git", ["describe", "--always", "--dirty"]);
  return {
    cpu: os.cpus()[0]?.model ?? "unknown",
    cores: os.availableParallelism(),
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    kernel: os.release(),
    congestionControl: readText("/proc/sys/net/ipv4/tcp_congestion_control"),
    node: process.versions.node,
    commit: stdout.trim() || "unknown",
    loadBefore: os.loadavg()[0] ?? 0,
  };
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return "unknown";
  }
}
