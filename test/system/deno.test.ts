import { globSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { expect, test, type TestContext } from "vitest";
import { AGENT } from "../../scripts/tool.ts";
import { digest, noise } from "../support/bytes.ts";
import { testEdge } from "../support/edge.ts";
import { loopback } from "../support/net.ts";
import { ask, tcpServer } from "../support/peers.ts";
import { execute, run } from "../support/run.ts";
import { tempDir } from "../support/temp-dir.ts";

const DENO = "deno@2.9.6";
const MIB = 1024 * 1024;

test("the built agent serves under Deno, with no more permissions than it names", async (context) => {
  await using folder = await tempDir();
  const deno = await installed(context, folder.path);
  await using edge = await testEdge({ tcp: "8080,8081" });
  await using echo = await tcpServer(loopback());
  await using source = await tcpServer(loopback(), 0, (socket) => void noise(8 * MIB).pipe(socket));
  await edge.ok("site", "add", "lab");
  await edge.ok("map", "add", "8080/tcp", "lab", `${echo.host}:${echo.port}`);
  await edge.ok("map", "add", "8081/tcp", "lab", `${source.host}:${source.port}`);
  const tokenFile = join(folder.path, "token");
  await writeFile(tokenFile, await edge.ok("token", "agent", "lab", "--local"), { mode: 0o600 });

  // No --allow-run, no --allow-ffi, and of the disk its control socket alone may be written.
  const permissions = ["--allow-net", "--allow-env", "--allow-sys", "--allow-read", `--allow-write=${folder.path}`];
  const words = ["run", "--no-prompt", ...permissions, AGENT, "--token-file", tokenFile, "--log", "json"];
  await using agent = run(deno, words, { env: { DENO_DIR: join(folder.path, "cache"), XDG_RUNTIME_DIR: folder.path } });
  await agent.until(/"msg":"ready"/);

  expect(await ask(edge.host, 8080, "half-closed under Deno")).toBe("half-closed under Deno");
  expect(await digest(connect(8081, edge.host))).toEqual(await digest(noise(8 * MIB)));
  agent.kill("SIGTERM");
  expect(await agent.ended).toMatchObject({ code: 0 });
});

/** Deno from the npm registry; elsewhere than under CI the test is skipped, and says so, when it can't be had. */
async function installed(context: TestContext, folder: string): Promise<string> {
  const npm = await execute("npm", [
    "install",
    "--no-audit",
    "--no-fund",
    "--ignore-scripts",
    "--prefix",
    folder,
    DENO,
  ]);
  // The program itself: the command npm links is a Node script around it, which signals would end instead.
  const [deno = "deno"] = globSync(join(folder, "node_modules/@deno/*/deno"));
  const { code, stderr } = npm.code === 0 ? await execute(deno, ["--version"]) : npm;
  if (code === 0) return deno;
  const message = `needs ${DENO} from the npm registry:\n${stderr.slice(-1000)}`;
  if (process.env.CI !== undefined) throw new Error(message);
  console.warn(`SKIPPED: ${context.task.name}: ${message}`);
  return context.skip(message);
}
