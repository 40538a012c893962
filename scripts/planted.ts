/**
 * `npm run planted -- [PART OF A NAME]`: plants each fault of test/planted/vulnerabilities.ts in a copy of the project and
 * runs the test that must notice it. Prints what was noticed; ends with 1 when something was not.
 */
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { spawn } from "node:child_process";
import { execFileSync } from "node:child_process";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { VULNERABILITIES, type Vulnerability } from "../test/planted/vulnerabilities.ts";
import { ROOT, toolFile } from "./tool.ts";

const wanted = process.argv[2] ?? "";
const folder = await mkdtemp(join(tmpdir(), "sallyport-planted-"));
let unnoticed = 0;
try {
  for (const file of execFileSync("git", ["ls-files", "-co", "--exclude-standard"], {
    cwd: ROOT,
    encoding: "utf8",
  }).split("\n")) {
    if (file !== "" && file !== "node_modules") await cp(join(ROOT, file), join(folder, file), { recursive: true });
  }
  await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
  for (const vulnerability of VULNERABILITIES.filter(({ name }) => name.includes(wanted))) {
    const noticed = await plant(vulnerability);
    console.log(`${noticed ? "noticed" : "NOT NOTICED"}: ${vulnerability.name}`);
    if (!noticed) unnoticed += 1;
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
process.exitCode = unnoticed > 0 ? 1 : 0;

/** Whether the test fails with the fault in place. */
async function plant({ name, also = [], test: [test, part], ...edit }: Vulnerability): Promise<boolean> {
  const sound = new Map<string, string>();
  try {
    for (const { file, find, put } of [edit, ...also]) {
      const path = join(folder, file);
      const text = await readFile(path, "utf8");
      if (!sound.has(path)) sound.set(path, text);
      const [before, after, ...more] = text.split(find);
      if (before === undefined || after === undefined || more.length > 0)
        throw new Error(`"${name}" can't be planted in ${file}`);
      await writeFile(path, before + put + after);
    }
    const project = test.split("/")[1] ?? "";
    const words = ["run", "--project", project, test, "--retry", "0", ...(part === "" ? [] : ["-t", escaped(part)])];
    const { code, output } = await run(process.execPath, [toolFile("vitest", "vitest"), ...words]);
    // A test that was not there, or a fault that does not build, has noticed nothing.
    return code !== 0 && /\b\d+ failed/.test(output) && !/Build failed|Transform failed|No test/.test(output);
  } finally {
    for (const [path, text] of sound) await writeFile(path, text);
  }
}

function run(command: string, args: readonly string[]): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    const path = `${dirname(process.execPath)}:${process.env["PATH"] ?? ""}`;
    const child = spawn(command, args, { cwd: folder, env: { ...process.env, PATH: path, NO_COLOR: "1" } });
    let output = "";
    child.stdout.on("data", (text: Buffer) => (output += text.toString()));
    child.stderr.on("data", (text: Buffer) => (output += text.toString()));
    child.on("close", (code) => resolve({ code, output }));
  });
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
