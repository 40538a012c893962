/**
 * `npm run package`: what a release consists of, in dist/release.
 *
 *   sallyport-VERSION.tgz             for npm, its content checked
 *   agent-…, sallyport-…              single executables: nothing to install, not even Node
 *   sallyport_VERSION_all.deb         for Debian and Ubuntu with Node 20
 *   SHA256SUMS
 */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "./build.ts";
import { packArchive } from "./package/archive.ts";
import { packDebian } from "./package/debian.ts";
import { packExecutables } from "./package/executables.ts";
import { ROOT } from "./tool.ts";

const RELEASE = join(ROOT, "dist/release");
const steps = new Set(process.argv.slice(2));
const wants = (step: string): boolean => steps.size === 0 || steps.has(step);

try {
  rmSync(RELEASE, { recursive: true, force: true });
  mkdirSync(RELEASE, { recursive: true });
  await build(console.log);
  if (wants("archive")) packArchive(RELEASE);
  if (wants("debian")) packDebian(RELEASE);
  if (wants("executables")) packExecutables(RELEASE);
  const files = readdirSync(RELEASE).toSorted();
  const sums = files.map(
    (file) =>
      `${createHash("sha256")
        .update(readFileSync(join(RELEASE, file)))
        .digest("hex")}  ${file}\n`,
  );
  writeFileSync(join(RELEASE, "SHA256SUMS"), sums.join(""));
  for (const file of files)
    console.log(`${file.padEnd(36)} ${(statSync(join(RELEASE, file)).size / 2 ** 20).toFixed(1).padStart(7)} MiB`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
