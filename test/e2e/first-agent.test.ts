import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { AGENT, SYSTEM_NODE } from "../../scripts/tool.ts";
import { testEdge } from "../support/edge.ts";
import { askHttp, httpOrigin } from "../support/http.ts";
import { ask, tcpServer } from "../support/peers.ts";
import { loopback } from "../support/net.ts";
import { run } from "../support/run.ts";
import { tempDir } from "../support/temp-dir.ts";
import { ANYWHERE } from "../support/targets.ts";

test("who was refused before a site's first agent came is served as soon as it says that it is ready", async () => {
  await using edge = await testEdge({ tcp: "8080-8083" });
  await using web = await httpOrigin((_, response) => response.end("a page"));
  await using echo = await tcpServer(loopback());
  await using folder = await tempDir();
  const sites = ["a", "b", "c", "d"].map((name, nth) => ({ name, host: `${name}.example`, port: 8080 + nth }));
  for (const { name, host, port } of sites) {
    await edge.ok("site", "add", name);
    await edge.ok("map", "add", `http://${host}`, name, web.url);
    await edge.ok("map", "add", `${port}/tcp`, name, `${echo.host}:${echo.port}`);
    const file = join(folder.path, name);
    await writeFile(file, await edge.ok("token", "agent", name, "--local", ...ANYWHERE), { mode: 0o600 });
    expect((await askHttp(edge.url, host)).status).toBe(503);
    await using agent = run(SYSTEM_NODE, [AGENT, "--token-file", file, "--log", "json"]);
    // Again and again, so that some copy of what was refused is never older than a few milliseconds.
    const ready = agent.until(/"msg":"ready"/).then(() => "ready");
    const say = (text: string): Promise<string> => ask(edge.host, port, text).catch(String);
    while ((await Promise.race([ready, say("too early?")])) !== "ready");
    const [page, heard] = await Promise.all([askHttp(edge.url, host), say("hello")]);
    expect({ name, status: page.status, heard }).toEqual({ name, status: 200, heard: "hello" });
  }
});
