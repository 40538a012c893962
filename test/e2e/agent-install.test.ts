import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { globSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { AGENT, SYSTEM_NODE } from "../../scripts/tool.ts";
import { execute } from "../support/run.ts";
import { tempDir } from "../support/temp-dir.ts";
import { unsignedToken } from "../support/unsigned-token.ts";

const UNIT = "etc/systemd/system/sallyport-agent.service";

test("install makes a service whose token only root can read and no process list shows", async () => {
  await using folder = await tempDir();
  const token = unsignedToken("lab");
  const tokenFile = join(folder.path, "token");
  await writeFile(tokenFile, token, { mode: 0o600 });
  const root = join(folder.path, "root");
  await mkdir(root);
  const installed = await agent("install", "--token-file", tokenFile, "--allow", "10.0.0.0/8:554", "--root", root);
  expect(installed).toMatchObject({
    code: 0,
    stdout: expect.stringContaining("systemctl enable --now sallyport-agent"),
  });

  const unit = await readFile(join(root, UNIT), "utf8");
  expect(unit).toMatch(
    /^ExecStart=\S+ \/usr\/local\/lib\/sallyport\/agent\.js --config \/etc\/sallyport\/agent\.toml --log json$/m,
  );
  expect(unit).toMatch(/^LoadCredential=token:\/etc\/sallyport\/agent\.token$/m);
  expect(unit).not.toContain(token);
  expect((await stat(join(root, "etc/sallyport/agent.token"))).mode & 0o777).toBe(0o600);
  expect(await readFile(join(root, "etc/sallyport/agent.toml"), "utf8")).toContain('allow = [ "10.0.0.0/8:554" ]');

  expect(await agent("uninstall", "--root", root)).toMatchObject({ code: 0 });
  expect(globSync("**/*.{service,token,toml,js}", { cwd: root })).toEqual([]);
});

test("what would not run is not installed", async () => {
  await using folder = await tempDir();
  const tokenFile = join(folder.path, "token");
  await writeFile(tokenFile, "not a token", { mode: 0o600 });
  expect(await agent("install", "--token-file", tokenFile, "--root", folder.path)).toMatchObject({ code: 3 });
  expect(globSync("etc/**", { cwd: folder.path })).toEqual([]);
});

function agent(...words: readonly string[]) {
  return execute(SYSTEM_NODE, [AGENT, ...words]);
}
