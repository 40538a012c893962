import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../../scripts/tool.ts";

type Locked = { integrity?: string; hasInstallScript?: boolean; link?: boolean };
type Package = {
  dependencies?: object;
  devDependencies: Record<string, string>;
  optionalDependencies: Record<string, string>;
  allowScripts: Record<string, boolean>;
};

const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as Package;
const { packages } = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")) as {
  packages: Record<string, Locked>;
};
const locked = Object.entries(packages).filter(([path]) => path !== "");

test("there is nothing to install beside the programs", () => {
  expect(manifest.dependencies).toBeUndefined();
});

test("every dependency is of one version, and every package in the lock file is known by its hash", () => {
  const versions = Object.values({ ...manifest.devDependencies, ...manifest.optionalDependencies });
  expect(versions.filter((version) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
  expect(locked.filter(([, { integrity = "" }]) => !integrity.startsWith("sha512-")).map(([path]) => path)).toEqual([]);
});

test("packages that are installed have no install scripts but those that are named", () => {
  const scripted = locked.filter(([path]) => hasScript(join(ROOT, path))).map(([path]) => nameOf(path));
  // At least one is known to have one, or nothing was looked at.
  expect(scripted).toContain("esbuild");
  expect(scripted.filter((name) => manifest.allowScripts[name] !== false)).toEqual([]);
});

test("packages with install scripts are named, and none of them may run", () => {
  const scripted = locked.filter(([, each]) => each.hasInstallScript === true).map(([path]) => nameOf(path));
  const unnamed = scripted.filter((name) => manifest.allowScripts[name] !== false);
  expect(unnamed).toEqual([]);
  expect(Object.values(manifest.allowScripts).filter(Boolean)).toEqual([]);
});

/** Whether npm would run something of a package's own when it installs it. */
function hasScript(folder: string): boolean {
  const file = join(folder, "package.json");
  // Those for other platforms are in the lock file only.
  if (!existsSync(file)) return false;
  const { scripts = {} } = JSON.parse(readFileSync(file, "utf8")) as { scripts?: Record<string, string> };
  const names = ["preinstall", "install", "postinstall"];
  return names.some((name) => scripts[name] !== undefined) || existsSync(join(folder, "binding.gyp"));
}

function nameOf(path: string): string {
  return path.replace(/^.*node_modules\//, "");
}
