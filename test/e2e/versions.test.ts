import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { AGENT, SYSTEM_NODE } from "../../scripts/tool.ts";
import type { StatusView } from "../../shared/rule/api.ts";
import { VERSION } from "../../shared/wire/version.ts";
import { testEdge } from "../support/edge.ts";
import { loopback } from "../support/net.ts";
import { ask, tcpServer } from "../support/peers.ts";
import { run } from "../support/run.ts";
import { ANYWHERE } from "../support/targets.ts";

test("an agent that is behind serves and is named; one of another protocol is refused, and told what to update", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  await using echo = await tcpServer(loopback());
  await edge.ok("site", "add", "lab");
  await edge.ok("map", "add", "8080/tcp", "lab", `${echo.host}:${echo.port}`);
  const token = join(edge.data, "token");
  await writeFile(token, await edge.ok("token", "agent", "lab", "--local", ...ANYWHERE), { mode: 0o600 });
  const start = async (version: string, protocol: number) => {
    const program = join(edge.data, `agent-${version}-${protocol}.mjs`);
    await writeFile(program, asVersion(await readFile(AGENT, "utf8"), version, protocol));
    return run(SYSTEM_NODE, [program, "--token-file", token, "--log", "json"]);
  };
  for (const [version, warning] of [
    ["0.0.9", `is version 0.0.9, behind the edge's ${VERSION}: update that agent.`],
    ["99.1.0", `The edge is version ${VERSION}, behind the 99.1.0 of `],
  ] as const) {
    await using agent = await start(version, 1);
    await agent.until(/"msg":"ready"/);
    expect(await ask(edge.host, 8080, "served")).toBe("served");
    const { code, stdout, stderr } = await edge.cli(["status"]);
    expect({ code, stdout, stderr }).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(version) as unknown,
      stderr: expect.stringContaining(warning) as unknown,
    });
    agent.kill("SIGKILL");
    await agent.ended;
  }
  for (const [protocol, older] of [
    [0, "agent"],
    [2, "edge"],
  ] as const) {
    await using agent = await start("1.0.0", protocol);
    const { code, stdout, stderr } = await agent.ended;
    expect(code).toBe(1);
    const told = `this agent speaks protocol ${protocol}, the edge (${VERSION}) 1: update the ${older}`;
    expect(stdout + stderr).toContain(told);
  }
  const { sites } = await edge.json<StatusView>("status");
  expect(sites[0]?.agents.filter(({ version }) => version === "1.0.0")).toEqual([]);
});

/** What the built agent says of itself; the bundler may break the line in it. */
const HELLO = /protocol:1,\s*kind:"agent"/;

/** The built agent, as if it were of another version. */
function asVersion(built: string, version: string, protocol: number): string {
  // The bundler breaks long lines within strings too.
  const program = built.replaceAll("\\\n", "");
  const parts = program.split(`="${VERSION}"`);
  const hellos = program.split(HELLO);
  expect([parts.length, hellos.length]).toEqual([2, 2]);
  return parts.join(`="${version}"`).replace(HELLO, `protocol:${protocol},kind:"agent"`);
}
