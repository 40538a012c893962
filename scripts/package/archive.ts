import { execFileSync } from "node:child_process";
import { ROOT } from "../tool.ts";

/** All that a user gets. A file more is a leak, a file less a broken program. */
const CONTENT = [
  "CHANGELOG.md",
  "LICENSE",
  "README.md",
  "dist/agent.js",
  "dist/sallyport.js",
  "dist/THIRD-PARTY.txt",
  "package.json",
];
const MOST_BYTES = 5 * 2 ** 20;

type Packed = { unpackedSize: number; files: { path: string; mode: number }[] };

/** `npm pack` into a folder. Throws when the content is not what it should be. */
export function packArchive(folder: string): void {
  const text = execFileSync("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", folder], {
    cwd: ROOT,
    encoding: "utf8",
  });
  const [packed] = JSON.parse(text) as Packed[];
  if (packed === undefined) throw new Error("npm pack said nothing");
  const found = packed.files.map(({ path }) => path).toSorted();
  const expected = CONTENT.toSorted();
  if (found.join() !== expected.join())
    throw new Error(`the package holds ${found.join(", ")}; it should hold ${expected.join(", ")}`);
  if (packed.unpackedSize > MOST_BYTES)
    throw new Error(`the package is ${packed.unpackedSize} bytes installed, over ${MOST_BYTES}`);
}
