import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { AGENT, SALLYPORT, SYSTEM_NODE } from "../../scripts/tool.ts";
import { fences, type Fence } from "../support/documents.ts";
import { testEdge, type TestEdge } from "../support/edge.ts";
import { echoServer, exchange } from "../support/lan.ts";
import { run } from "../support/run.ts";
import { tempDir } from "../support/temp-dir.ts";

test("the README's first real mapping works as it is written", async () => {
  await using edge = await testEdge({ tcp: "8090" });
  await using echo = await echoServer();
  await using folder = await tempDir();
  const fence = fences().find(({ where, text }) => where.startsWith("README.md") && text.includes("sallyport serve"));
  // The edge runs already, on an address of this test; its agent is on the same machine.
  const written = (fence?.text ?? "")
    .replace(/^sallyport serve .*\n/m, "")
    .replace("token agent warehouse-3", "token agent warehouse-3 --local");
  const script = adapted(written, edge)
    .replaceAll("192.168.2.102:8090", echo.address)
    .replace("192.168.2.0/24", "127.0.0.0/8");
  await using shell = await shellOf(folder.path, edge, script);
  await shell.until(/"msg":"ready"/);
  expect(await exchange(edge.host, 8090, "hello")).toBe("hello");
});

test.each(fences().filter(({ isRun }) => isRun))("what $where tells to run does run", async (fence: Fence) => {
  await using edge = await testEdge();
  await using folder = await tempDir();
  await using shell = await shellOf(folder.path, edge, adapted(fence.text, edge));
  const { code, stderr } = await shell.ended;
  expect({ code, stderr }).toMatchObject({ code: 0 });
});

/** A document's commands, with this test's edge in the place of the reader's. */
function adapted(text: string, edge: TestEdge): string {
  return text
    .replaceAll("https://edge.example.com", edge.url)
    .replaceAll("./edge/admin-secret", edge.secretFile)
    .replaceAll("/var/lib/sallyport", edge.data);
}

/** Runs a script where `sallyport` and `agent` are commands. */
async function shellOf(folder: string, edge: TestEdge, script: string) {
  const bin = join(folder, "bin");
  await mkdir(bin);
  for (const [name, file] of [
    ["agent", AGENT],
    ["sallyport", SALLYPORT],
  ] as const) {
    await writeFile(join(bin, name), `#!/bin/sh\nexec "${SYSTEM_NODE}" "${file}" "$@"\n`);
    await chmod(join(bin, name), 0o755);
  }
  const env = {
    PATH: `${bin}:${process.env.PATH}`,
    SALLYPORT_CONFIG_DIR: join(edge.data, "../config"),
    SALLYPORT_EDGE: undefined,
  };
  return run("sh", ["-eu", "-c", script], { cwd: folder, env });
}
