import entries from "npm:lock";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { npmEnv } from "./npm-env.ts";
import { neededBy } from "./package-lock.ts";

/**
 * Returns a cache folder whose `node_modules` has these packages and their dependencies, in the versions that this program was built
 * with. npm fetches them once, and refuses a package whose hash differs from the one recorded at build time. `notify` is called with a
 * message before a fetch. Throws Error.
 */
export function fetchPackages(
  names: readonly string[],
  env: NodeJS.ProcessEnv,
  notify: (message: string) => void,
): string {
  const versions = Object.fromEntries(names.map((name) => [name, entries[`node_modules/${name}`]?.version ?? ""]));
  const [main = ""] = names;
  const cache = env["XDG_CACHE_HOME"] || join(homedir(), ".cache");
  const folder = join(cache, "sallyport", `${main.replace(/^@.*\//, "")}-${versions[main]}`);
  if (existsSync(folder)) return folder;
  notify(`fetching ${main} ${versions[main]} once, with npm, into ${folder}`);
  mkdirSync(dirname(folder), { recursive: true });
  const draft = mkdtempSync(`${folder}.`);
  try {
    const root = { name: "fetched", private: true, dependencies: versions };
    const packages = { "": root, ...neededBy(names, entries) };
    const lock = { name: "fetched", lockfileVersion: 3, requires: true, packages };
    writeFileSync(join(draft, "package.json"), JSON.stringify(root));
    writeFileSync(join(draft, "package-lock.json"), JSON.stringify(lock));
    const npm = spawnSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], {
      cwd: draft,
      stdio: ["ignore", "pipe", "pipe"],
      encoding: "utf8",
      env: npmEnv(env),
      shell: process.platform === "win32",
    });
    if (npm.status !== 0) throw new Error(npm.error?.message ?? npm.stderr.trim());
    renameSync(draft, folder);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    // Another process may have put the folder in place meanwhile.
    if (!existsSync(folder)) throw error;
  }
  return folder;
}
