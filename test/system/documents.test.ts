import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { AGENT, ROOT, SALLYPORT, SYSTEM_NODE } from "../../scripts/tool.ts";
import type { TokenView } from "../../shared/rule/api.ts";
import { needs } from "../support/debian.ts";
import { fences } from "../support/documents.ts";
import { TestEdge, testEdge } from "../support/edge.ts";
import { echoServer, exchange } from "../support/lan.ts";
import { loopback } from "../support/net.ts";
import { run } from "../support/run.ts";
import { tempDir } from "../support/temp-dir.ts";
import { ANYWHERE } from "../support/targets.ts";

/** Commands that go on until they are told to stop: they run beside what follows them. */
const STAYS = /^(?:sallyport (?:serve|connect|gateway) |agent --token-file |sallyport log --follow)/;
/** Those of them that say when they are ready. */
const SAYS_READY = /^(?:sallyport (?:serve|connect|gateway)|agent)/;

const scripts = fences().filter(({ language, noRun }) => language === "sh" && noRun === undefined);
const documents = new Set(scripts.map(({ file }) => file).filter((file) => file !== "README.md"));

test("the README's first real mapping works as it is written", async () => {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempDir());
  const echo = stack.use(await echoServer());
  const edge = stack.use(new TestEdge(loopback(), folder.path, {}, new AsyncDisposableStack()));
  const shell = await reader(stack, edge, folder.path, [
    ["https://edge.example.com", edge.url],
    ["--listen 0.0.0.0:443 --tls-cert cert.pem --tls-key key.pem", `--listen ${edge.host}:8787 --bind ${edge.host}`],
    ["192.168.2.102:8090", echo.address],
    ["token agent warehouse-3 --target 192.168.2.0/24", "token agent warehouse-3 --local --target 127.0.0.0/8"],
  ]);
  for (const { file, text } of scripts) if (file === "README.md") await shell(text);
  expect(await exchange(edge.host, 8090, "hello")).toBe("hello");
});

test.for([...documents])("every command of %s runs, from top to bottom", async (file, context) => {
  await needs(context, "curl");
  await using stack = new AsyncDisposableStack();
  const edge = stack.use(await testEdge({ tcp: "28101-28103" }));
  const folder = stack.use(await tempDir());
  const echo = stack.use(await echoServer());
  await edge.ok("site", "add", "home");
  await edge.ok("site", "add", "warehouse-3");
  await writeFile(join(folder.path, "spare.token"), await edge.ok("token", "visitor", "--endpoint", "home/x"));
  const [spare] = (await edge.json<TokenView[]>("token", "ls")).filter(({ kind }) => kind === "visitor");
  const token = join(folder.path, "own.token");
  await writeFile(token, await edge.ok("token", "agent", "warehouse-3", "--local", ...ANYWHERE), { mode: 0o600 });
  const env = { SALLYPORT_RUN_DIR: join(folder.path, "run"), SALLYPORT_TOKEN_FILE: token };
  const agent = stack.use(run(SYSTEM_NODE, [AGENT, "--log", "json"], { env }));
  await agent.until(/"msg":"ready"/);
  const shell = await reader(
    stack,
    edge,
    folder.path,
    [
      ["https://edge.example.com", edge.url],
      ["/var/lib/sallyport", edge.data],
      // This edge has no certificate.
      ["https://home.example.com", "http://home.example.com"],
      ["token agent warehouse-3", "token agent warehouse-3 --local"],
      // Real servers in the place of those that are tried.
      ["192.168.2.101:22 --name", `${echo.address} --name`],
      ["192.168.2.102:3389", echo.address],
      ["192.168.2.103:22", echo.address],
      ["token revoke JTI", `token revoke ${spare?.jti}`],
      // Not on every address of this machine.
      ["gateway --token-file", `gateway --bind ${edge.host} --token-file`],
    ],
    env,
  );
  for (const each of scripts) if (each.file === file) await shell(each.text);
});

test("what is not run says why, and the tests it names are there", async () => {
  const unnamed = fences().filter(({ language, text }) => language === "" && /^(?:sallyport|agent) /m.test(text));
  expect(unnamed.map(({ where }) => where)).toEqual([]);
  const named = fences().flatMap(({ noRun = "" }) => noRun.match(/test\/[\w/-]+\.test\.ts/g) ?? []);
  for (const file of new Set(named)) expect(await readFile(join(ROOT, file), "utf8")).toContain("test(");
});

/** One who types what a document says, line by line, in one folder; what stays running does so until the end. */
async function reader(
  stack: AsyncDisposableStack,
  edge: TestEdge,
  folder: string,
  table: readonly (readonly [string, string])[],
  more: Readonly<Record<string, string>> = {},
): Promise<(text: string) => Promise<void>> {
  const bin = join(folder, "bin");
  await mkdir(bin);
  for (const [name, program] of [
    ["agent", AGENT],
    ["sallyport", SALLYPORT],
  ] as const) {
    await writeFile(join(bin, name), `#!/bin/sh\nexec "${SYSTEM_NODE}" "${program}" "$@"\n`);
    await chmod(join(bin, name), 0o755);
  }
  const env = {
    SALLYPORT_RUN_DIR: join(folder, "run"),
    ...more,
    PATH: `${bin}:${process.env.PATH}`,
    SALLYPORT_CONFIG_DIR: join(edge.data, "../config"),
    SALLYPORT_EDGE: undefined,
  };
  return async (text) => {
    const adapted = table.reduce((changed, [written, own]) => changed.replaceAll(written, own), text);
    for (const line of adapted.replaceAll("\\\n", " ").split("\n").filter(Boolean)) {
      const command = stack.use(run("sh", ["-eu", "-c", line], { cwd: folder, env }));
      if (STAYS.test(line)) {
        if (SAYS_READY.test(line)) await command.until(/"msg":"ready"/);
        continue;
      }
      const { code, stdout, stderr } = await command.ended;
      if (code !== 0) throw new Error(`${line}\nended with ${code}:\n${stdout}${stderr}`);
    }
  };
}
