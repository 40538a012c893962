import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Metafile } from "esbuild";
import { ROOT } from "./tool.ts";

/** The notices of all packages that are in the programs: their licences ask for them. Throws when one has none. */
export function notices(bundles: readonly Metafile[]): string {
  const names = new Set(
    bundles.flatMap(({ inputs }) => Object.keys(inputs).map(packageOf)).filter((name) => name !== undefined),
  );
  return [...names]
    .toSorted()
    .map(noticeOf)
    .join(`\n${"-".repeat(78)}\n\n`);
}

function packageOf(path: string): string | undefined {
  return /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1];
}

function noticeOf(name: string): string {
  const folder = join(ROOT, "node_modules", name);
  const { version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as {
    version: string;
    license?: string;
  };
  const [file] = globSync("LICEN[CS]E*", { cwd: folder });
  if (file === undefined) throw new Error(`${name} has no licence text, so it can't be shipped`);
  return `${name} ${version} (${license ?? "see below"})\n\n${readFileSync(join(folder, file), "utf8").trim()}\n`;
}
