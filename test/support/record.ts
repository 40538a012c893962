import { mkdir, writeFile } from "node:fs/promises";
import { cpus, totalmem } from "node:os";
import { join } from "node:path";
import { ROOT } from "../../scripts/tool.ts";

/** Writes figures to bench/results/, with the machine they were taken on. */
export async function record(name: string, figures: object): Promise<void> {
  const folder = join(ROOT, "bench/results");
  await mkdir(folder, { recursive: true });
  const machine = {
    processors: cpus().length,
    model: cpus()[0]?.model ?? "",
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
  };
  const at = new Date().toISOString().slice(0, 10);
  await writeFile(
    join(folder, `${at}-soak-${name}.json`),
    `${JSON.stringify({ at, machine, ...figures }, undefined, 2)}\n`,
  );
}
