/** A Node that is too old, as Debian 12 and Ubuntu 22.04 have one, is told so before anything else. */
import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, type TestContext } from "vitest";
import { AGENT, ROOT, SALLYPORT } from "../../scripts/tool.ts";
import { installed } from "../support/registry.ts";
import { execute } from "../support/run.ts";
import { tempDir, type TempDir } from "../support/temp-dir.ts";

/** The programs where they were built, which is a package of ES modules, and alone in a folder, as they are carried about. */
async function programs(folder: TempDir): Promise<string[]> {
  const alone = join(folder.path, "alone");
  await mkdir(alone);
  const carried = await Promise.all(
    [AGENT, SALLYPORT].map(async (file) => {
      const to = join(alone, file.slice(join(ROOT, "dist").length));
      await copyFile(file, to);
      return to;
    }),
  );
  return [AGENT, SALLYPORT, ...carried];
}

function node(context: TestContext, folder: TempDir, version: string): Promise<string> {
  // Of another processor there are other packages of the same versions.
  const platform = process.arch === "arm64" ? "linux-arm64" : "linux-x64";
  return installed(context, folder.path, `node-${platform}@${version}`, `node-${platform}/bin/node`);
}

test.for(["18.20.8", "16.20.2"])(
  "under Node %s every command says what is needed, and where to get it",
  async (version, context) => {
    await using folder = await tempDir();
    const old = await node(context, folder, version);
    const words = [["--version"], ["--help"], ["serve", "--data", join(folder.path, "edge")], ["--token", "x"]];
    for (const program of await programs(folder)) {
      for (const each of words) {
        const { code, stdout, stderr } = await execute(old, [program, ...each]);
        expect({ program, code, stdout }).toEqual({ program, code: 3, stdout: "" });
        expect(stderr).toBe(
          `error[node-too-old]: this is Node ${version} (${old}); Node 20.19 or newer is needed\n` +
            "  fix: get one from https://nodejs.org/en/download, or take the executable that has one in it\n",
        );
      }
    }
    const setUp = await execute(old, [join(ROOT, "scripts/setup.mjs")], { env: { npm_config_user_agent: undefined } });
    expect(setUp).toMatchObject({ code: 3, stderr: expect.stringContaining("error[node-too-old]") });
  },
);

test.for(["14.21.3", "12.22.12"])(
  "Node %s can't read the programs, and prints the line that says why",
  async (version, context) => {
    await using folder = await tempDir();
    const old = await node(context, folder, version);
    for (const program of await programs(folder)) {
      const { code, stderr } = await execute(old, [program, "--version"]);
      expect(code).not.toBe(0);
      expect(stderr).toContain('"This needs Node 20.19 or newer: get one from https://nodejs.org/en/download');
    }
  },
);

test("programs without a package around them run under the Node of today", async () => {
  await using folder = await tempDir();
  for (const program of await programs(folder))
    for (const runtime of [process.execPath, process.env.npm_node_execpath ?? process.execPath])
      expect(await execute(runtime, [program, "--version"])).toMatchObject({ code: 0, stderr: "" });
});
