import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { AGENT, ROOT, SALLYPORT, SYSTEM_NODE, toolFile } from "../../scripts/tool.ts";
import { loopback } from "../support/net.ts";
import { ask, tcpServer } from "../support/peers.ts";
import { execute, run } from "../support/run.ts";
import { tempDir } from "../support/temp-dir.ts";
import { ANYWHERE } from "../support/targets.ts";

test("wrangler dev runs the same Worker, with its TCP ports from [[connect]]", async () => {
  await using folder = await tempDir();
  // They open on 127.0.0.1, wherever --ip says.
  const [port = 0, ...others] = await freePorts(3);
  let ports = [port, ...others];
  const toml = (await readFile(join(ROOT, "wrangler.toml"), "utf8"))
    .replace('main = "dist/worker.js"', `main = ${JSON.stringify(join(ROOT, "dist/worker.js"))}`)
    // It has been built, as for every test.
    .replace(/^\[build\]\n(?:.+\n)*/m, "")
    .replaceAll(/^port = \d+$/gm, () => `port = ${ports.shift()}`);
  expect(ports).toEqual([]);
  ports = [port, ...others];
  const config = join(folder.path, "wrangler.toml");
  await writeFile(config, toml);
  const secret = "a secret of this test alone, long enough";
  const host = loopback();
  const words = [
    ...["dev", "--config", config, "--ip", host, "--port", "8787", "--inspector-port", "0"],
    ...["--persist-to", join(folder.path, "state"), "--show-interactive-dev-session=false"],
    ...["--var", "SELF_HOSTED:1", "--var", `TCP_PORTS:${ports.join(",")}`, "--var", `ADMIN_SECRET:${secret}`],
  ];
  const quiet = { WRANGLER_SEND_METRICS: "false", WRANGLER_HIDE_BANNER: "true", CLOUDFLARE_API_TOKEN: undefined };
  await using dev = run(process.execPath, [toolFile("wrangler", "wrangler"), ...words], {
    cwd: folder.path,
    env: quiet,
  });
  await dev.until(/Ready on/);

  const env = {
    SALLYPORT_CONFIG_DIR: join(folder.path, "config"),
    SALLYPORT_EDGE: undefined,
    SALLYPORT_ADMIN_TOKEN: undefined,
  };
  const sallyport = async (command: readonly string[], input?: string): Promise<string> => {
    const { code, stdout, stderr } = await execute(SYSTEM_NODE, [SALLYPORT, ...command], {
      env,
      ...(input === undefined ? {} : { input }),
    });
    if (code !== 0) throw new Error(`sallyport ${command.join(" ")}: ${stderr}`);
    return stdout.trim();
  };
  const secretFile = join(folder.path, "secret");
  await writeFile(secretFile, secret, { mode: 0o600 });
  await sallyport(["login", `http://${host}:8787`, "--secret-file", secretFile]);
  await sallyport(["site", "add", "lab"]);
  await using echo = await tcpServer(loopback());
  await sallyport(["map", "add", `${port}/tcp`, "lab", `${echo.host}:${echo.port}`]);
  const tokenFile = join(folder.path, "token");
  await writeFile(tokenFile, await sallyport(["token", "agent", "lab", "--local", ...ANYWHERE]), { mode: 0o600 });
  await using agent = run(SYSTEM_NODE, [AGENT, "--token-file", tokenFile, "--log", "json"]);
  await agent.until(/"msg":"ready"/);
  expect(await ask("127.0.0.1", port, "through wrangler dev")).toBe("through wrangler dev");
});

/** Ports of 127.0.0.1 that were free a moment ago. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => tcpServer("127.0.0.1")));
  const found = servers.map(({ port }) => port);
  for (const server of servers) await server[Symbol.asyncDispose]();
  return found;
}
