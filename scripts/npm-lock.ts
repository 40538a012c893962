import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "esbuild";
import { NODES, WORKERDS } from "../cli/platform-packages.ts";
import { neededBy, type LockEntries } from "../cli/package-lock.ts";
import { ROOT } from "./tool.ts";

/** The entries of our package-lock.json, with their hashes, of all packages that the programs may fetch, as JSON. */
export function npmLockText(): string {
  const { packages } = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")) as { packages: LockEntries };
  const names = ["wrangler", ...Object.values(WORKERDS), ...Object.values(NODES)];
  // That we ourselves need them for development only is no matter there.
  return JSON.stringify(neededBy(names, packages), (key, value: unknown) =>
    ["dev", "license", "funding"].includes(key) ? undefined : value,
  );
}

/** `import entries from "npm:lock"`, for esbuild. */
export const npmLock: Plugin = {
  name: "npm-lock",
  setup(bundler) {
    bundler.onResolve({ filter: /^npm:lock$/ }, () => ({ path: "npm:lock", namespace: "npm-lock" }));
    bundler.onLoad({ filter: /.*/, namespace: "npm-lock" }, () => ({ contents: npmLockText(), loader: "json" }));
  },
};
