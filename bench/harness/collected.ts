import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Run } from "../../test/support/run.ts";
import { ROOT } from "../../scripts/tool.ts";
import { residentBytes } from "./proc.ts";

/** Node's options for a process whose garbage is to be collected before it is measured. */
export const COLLECTS = ["--import", pathToFileURL(join(ROOT, "bench/load/collect.js")).href] as const;

/** Resident bytes of a process started with `COLLECTS` once its garbage is collected: what it holds, not what it has not given back yet. */
export async function heldBytes(node: Run): Promise<number> {
  const times = node.stderr.split("collected").length;
  process.kill(node.pid, "SIGUSR2");
  await node.until(new RegExp(`(?:collected[^]*){${times}}`));
  return residentBytes(node.pid);
}
