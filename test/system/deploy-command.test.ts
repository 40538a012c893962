import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT, SALLYPORT, SYSTEM_NODE, toolFile } from "../../scripts/tool.ts";
import { wranglerConfig } from "../../cli/deploy/wrangler-config.ts";
import { testEdge } from "../support/edge.ts";
import { fakeWrangler } from "../support/fake-wrangler.ts";
import { execute } from "../support/run.ts";
import { tempDir } from "../support/temp-dir.ts";

const QUIET = { WRANGLER_HIDE_BANNER: "true", WRANGLER_SEND_METRICS: "false", CLOUDFLARE_API_TOKEN: undefined };

test("deploy takes one from nothing to the agent's token, and updates when it is run again", async () => {
  await using edge = await testEdge();
  await using folder = await tempDir();
  const wrangler = await fakeWrangler(folder.path, edge.url);
  const deploy = () => {
    const words = ["deploy", "--name", "yard", "--site", "lab", "--secret-file", edge.secretFile, "--url", edge.url];
    const env = { PATH: `${wrangler.path}:${process.env.PATH}`, SALLYPORT_CONFIG_DIR: join(folder.path, "config") };
    return execute(SYSTEM_NODE, [SALLYPORT, ...words], { cwd: folder.path, env });
  };
  expect(await deploy()).toMatchObject({
    code: 0,
    stdout: "",
    stderr: expect.stringContaining("agent --token-file lab.token"),
  });
  expect(await wrangler.calls()).toEqual([
    "--version",
    "whoami --json",
    "deploy --config",
    "secret list --config --format json",
    "secret put ADMIN_SECRET --config",
  ]);
  expect(await wrangler.config()).toContain('name = "yard"');
  const secret = (await readFile(edge.secretFile, "utf8")).trim();
  expect(await readFile(join(folder.path, "wrangler/secret"), "utf8")).toBe(secret);
  expect((await stat(join(folder.path, "lab.token"))).mode & 0o777).toBe(0o600);

  expect(await deploy()).toMatchObject({ code: 0 });
  expect((await wrangler.calls()).filter((call) => call.startsWith("secret put"))).toHaveLength(1);
  expect(await edge.json<{ kind: string }[]>("token", "ls")).toSatisfy(
    (tokens: { kind: string }[]) => tokens.filter(({ kind }) => kind === "agent").length === 1,
  );
});

test("with nobody logged in to Cloudflare and nobody to ask, deploy says what to do", async () => {
  await using folder = await tempDir();
  const wrangler = await fakeWrangler(folder.path, "https://unused.example.com", false);
  const env = { PATH: `${wrangler.path}:${process.env.PATH}`, SALLYPORT_CONFIG_DIR: folder.path };
  const ended = await execute(SYSTEM_NODE, [SALLYPORT, "deploy"], { env });
  expect(ended).toMatchObject({ code: 3, stderr: expect.stringContaining("npx wrangler login") });
});

test("a wrangler that does not start is told apart from one that nobody is logged in to", async () => {
  await using folder = await tempDir();
  const old = join(folder.path, "wrangler");
  await writeFile(old, "#!/bin/sh\necho 'Wrangler requires at least Node.js v22.0.0.' >&2\nexit 1\n", { mode: 0o755 });
  const env = { SALLYPORT_WRANGLER: old, SALLYPORT_CONFIG_DIR: folder.path };
  const { code, stderr } = await execute(SYSTEM_NODE, [SALLYPORT, "deploy"], { env });
  expect(code).toBe(3);
  expect(stderr).toMatch(/error\[wrangler-unusable\]: .* does not start: Wrangler requires at least Node\.js v22/);
});

test("hosts become custom domains and wildcard routes, and what DNS must have is said", async () => {
  const config = wranglerConfig({ name: "sallyport", hosts: ["edge.example.com", "*.example.com"] });
  expect(config).toContain('pattern = "edge.example.com"\ncustom_domain = true');
  expect(config).toContain('pattern = "*.example.com/*"\nzone_name = "example.com"');
});

test("the real wrangler takes the configuration that deploy writes", async () => {
  await using folder = await tempDir();
  const real = { SALLYPORT_WRANGLER: toolFile("wrangler", "wrangler"), SALLYPORT_CONFIG_DIR: folder.path, ...QUIET };
  // The newer Node that wrangler needs comes first, as in npm's scripts.
  const env = { ...real, PATH: `${join(process.execPath, "..")}:${process.env.PATH}` };
  const words = ["deploy", "--dry-run", "--host", "edge.example.com", "--host", "*.example.com"];
  const ended = await execute(SYSTEM_NODE, [SALLYPORT, ...words], { cwd: ROOT, env });
  expect(ended).toMatchObject({ code: 0, stderr: expect.stringContaining("dry run: nothing was uploaded") });
  expect(ended.stderr).toContain("*.example.com: needs a proxied DNS record");
});
