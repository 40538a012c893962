import { globSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "vitest";
import { execute } from "./run.ts";

/**
 * A program from the npm registry: `pack` with its version, and where in it the program is. Elsewhere than under CI the test is
 * skipped, and says so, when it can't be had.
 */
export async function installed(context: TestContext, folder: string, pack: string, program: string): Promise<string> {
  const npm = await execute("npm", [
    "install",
    "--no-audit",
    "--no-fund",
    "--ignore-scripts",
    "--prefix",
    folder,
    pack,
  ]);
  const [found = ""] = globSync(join(folder, "node_modules", program));
  const { code, stderr } = npm.code === 0 ? await execute(found, ["--version"]) : npm;
  if (code === 0) return found;
  const message = `needs ${pack} from the npm registry:\n${stderr.slice(-1000)}`;
  if (process.env.CI !== undefined) throw new Error(message);
  console.warn(`SKIPPED: ${context.task.name}: ${message}`);
  return context.skip(message);
}
