import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { AGENT, SYSTEM_NODE } from "../../scripts/tool.ts";
import { packArchive } from "../../scripts/package/archive.ts";
import { VERSION } from "../../shared/wire/version.ts";
import { execute } from "../support/run.ts";
import { tempDir } from "../support/temp-dir.ts";

test("the agent is small enough for the box it goes to", async () => {
  expect((await stat(AGENT)).size).toBeLessThan(420_000);
});

test("the archive for npm holds what it should, and its programs run from an empty folder", async () => {
  await using folder = await tempDir();
  packArchive(folder.path);
  await execute("tar", ["-xzf", join(folder.path, `sallyport-${VERSION}.tgz`), "-C", folder.path]);
  const empty = join(folder.path, "empty");
  await mkdir(empty);
  const dist = join(folder.path, "package/dist");
  const options = { cwd: empty, env: { NODE_PATH: undefined } };
  expect(await execute(SYSTEM_NODE, [join(dist, "agent.js"), "--version"], options)).toMatchObject({
    code: 0,
    stdout: `${VERSION}\n`,
  });
  // The agent is found beside the command.
  expect(await execute(SYSTEM_NODE, [join(dist, "sallyport.js"), "agent", "--version"], options)).toMatchObject({
    code: 0,
    stdout: `${VERSION}\n`,
  });
  expect(await execute(SYSTEM_NODE, [join(dist, "sallyport.js"), "version"], options)).toMatchObject({ code: 0 });
});
