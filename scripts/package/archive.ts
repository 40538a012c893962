import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
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

/** What a user's package.json has of ours: neither what we build with nor its Node, which npm would install for them. */
const FIELDS = "name version description keywords private license author type bin files engines".split(" ");

type Packed = { unpackedSize: number; files: { path: string; mode: number }[] };

/** `npm pack` into a folder. Throws when the content is not what it should be. */
export function packArchive(folder: string): void {
  const staged = mkdtempSync(join(tmpdir(), "sallyport-npm-"));
  try {
    for (const file of CONTENT) if (file !== "package.json") cpSync(join(ROOT, file), join(staged, file));
    const ours = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as Record<string, unknown>;
    const theirs = Object.fromEntries(FIELDS.map((field) => [field, ours[field]]));
    writeFileSync(join(staged, "package.json"), `${JSON.stringify(theirs, undefined, 2)}\n`);
    pack(staged, folder);
  } finally {
    rmSync(staged, { recursive: true, force: true });
  }
}

function pack(staged: string, folder: string): void {
  const text = execFileSync("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", folder], {
    cwd: staged,
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
