import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT, toolFile } from "../../scripts/tool.ts";
import { execute } from "../support/run.ts";
import { tempDir } from "../support/temp-dir.ts";

test("wrangler takes wrangler.toml and the Worker, up to sending them off", async () => {
  await using out = await tempDir();
  const wrangler = [toolFile("wrangler", "wrangler"), "deploy", "--dry-run", "--outdir", out.path];
  const { code, stdout, stderr } = await execute(process.execPath, wrangler, {
    cwd: ROOT,
    // No questions to the internet, and no login of whoever runs this.
    env: { WRANGLER_HIDE_BANNER: "true", WRANGLER_SEND_METRICS: "false", CLOUDFLARE_API_TOKEN: undefined },
  });
  expect(stderr).toBe("");
  expect(code).toBe(0);
  expect(stdout).toMatch(/env\.RELAY \(Relay\)[^]*env\.REGISTRY \(Registry\)/);
  expect(await readFile(join(out.path, "worker.js"), "utf8")).toContain("Relay");
});
