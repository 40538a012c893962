import { copyFile, mkdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT, SYSTEM_NODE } from "../../scripts/tool.ts";
import { execute, type Ended } from "../support/run.ts";
import { tempDir } from "../support/temp-dir.ts";

/** Stands in for npm: its `ci` puts a Node into node_modules that says what it was told to. */
const NPM = `
const fs = require("node:fs");
fs.mkdirSync("node_modules/.bin", { recursive: true });
const script = process.env.BROKEN ? "echo 'libatomic.so.1: cannot open shared object file' >&2; exit 127" : "echo v26.10.0";
fs.writeFileSync("node_modules/.bin/node", "#!/bin/sh\\n" + script + "\\n", { mode: 0o755 });
`;

/** Sets up an empty project with this Node. */
async function setUp(folder: string, node: string, env: Record<string, string>): Promise<Ended> {
  await mkdir(join(folder, "scripts"));
  await copyFile(join(ROOT, "scripts/setup.mjs"), join(folder, "scripts/setup.mjs"));
  await writeFile(join(folder, "package-lock.json"), "{}");
  await copyFile(join(ROOT, "package.json"), join(folder, "package.json"));
  await writeFile(join(folder, "npm.cjs"), NPM);
  return execute(node, ["scripts/setup.mjs"], { cwd: folder, env: { npm_execpath: join(folder, "npm.cjs"), ...env } });
}

test("the set-up installs once, and takes the Node that it brings", async () => {
  await using folder = await tempDir();
  expect(await setUp(folder.path, SYSTEM_NODE, {})).toMatchObject({ code: 0 });
  await writeFile(join(folder.path, "npm.cjs"), "process.exit(1)");
  expect(await execute(SYSTEM_NODE, ["scripts/setup.mjs"], { cwd: folder.path })).toMatchObject({
    code: 0,
    stderr: "",
  });
  await expect(stat(join(folder.path, "node_modules/.bin/node"))).resolves.toBeDefined();
});

test("an npm whose Node is too old is told so before anything is installed", async () => {
  await using folder = await tempDir();
  const npm_config_user_agent = "npm/9.2.0 node/v18.20.4 linux x64 workspaces/false";
  expect(await setUp(folder.path, SYSTEM_NODE, { npm_config_user_agent })).toMatchObject({
    code: 3,
    stderr: expect.stringMatching(/^error\[node-too-old\]: npm runs on Node 18\.20\.4; Node 20\.19 or newer is needed/),
  });
  await expect(stat(join(folder.path, "node_modules"))).rejects.toThrow("ENOENT");
});

test("a Node that does not start is done without where another one will do", async () => {
  await using folder = await tempDir();
  // The one that runs the tests takes TypeScript.
  expect(await setUp(folder.path, process.execPath, { BROKEN: "1" })).toMatchObject({ code: 0 });
  await expect(stat(join(folder.path, "node_modules/.bin/node"))).rejects.toThrow("ENOENT");
});

test("a Node that does not start is named, with what it misses", async () => {
  await using folder = await tempDir();
  const { code, stderr } = await setUp(folder.path, SYSTEM_NODE, { BROKEN: "1" });
  const { stdout } = await execute(SYSTEM_NODE, ["--version"]);
  // With a newer one on the machine there is nothing to say.
  if (Number(/^v(\d+)/.exec(stdout)?.[1]) > 22) return expect(code).toBe(0);
  expect(code).toBe(1);
  expect(stderr).toContain("libatomic.so.1: cannot open shared object file");
  expect(stderr).toContain("apt install libatomic1");
  return undefined;
});
