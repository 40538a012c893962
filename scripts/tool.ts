/** Where the project is, and how its scripts run the tools that npm installed in it. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The checkout's absolute path. */
export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** The built programs. */
export const AGENT = join(ROOT, "dist/agent.js");
export const SALLYPORT = join(ROOT, "dist/sallyport.js");

/** The Node that users have, Node 20 or newer: npm's own, not the newer one that runs these scripts. */
export const SYSTEM_NODE = process.env.npm_node_execpath ?? process.execPath;

/** The JavaScript file behind a package's command. Started with `process.execPath`, so that no shell stands in between. */
export function toolFile(packageName: string, command: string): string {
  const folder = join(ROOT, "node_modules", packageName);
  const { bin } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as {
    bin: string | Record<string, string>;
  };
  const file = typeof bin === "string" ? bin : bin[command];
  if (file === undefined) throw new Error(`${packageName} has no command ${command}`);
  return join(folder, file);
}

/** Runs a package's command to its end with our terminal. True if it succeeded. */
export function runTool(packageName: string, command: string, args: readonly string[]): boolean {
  const result = spawnSync(process.execPath, [toolFile(packageName, command), ...args], {
    cwd: ROOT,
    stdio: "inherit",
  });
  if (result.error !== undefined) throw result.error;
  return result.status === 0;
}
