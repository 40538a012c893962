import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { AGENT, SYSTEM_NODE } from "../../scripts/tool.ts";
import type { MappingView } from "../../shared/rule/api.ts";
import { testEdge } from "../support/edge.ts";
import { echoServer, exchange } from "../support/lan.ts";
import { execute, run } from "../support/run.ts";
import { ANYWHERE } from "../support/targets.ts";

test("what an agent exposes is there until it is stopped, and only where its token permits", async () => {
  await using edge = await testEdge({ tcp: "8080,8081" });
  await using echo = await echoServer();
  await edge.ok("site", "add", "lab");
  const tokenFile = join(edge.data, "token");
  await writeFile(tokenFile, await edge.ok("token", "agent", "lab", "--local", ...ANYWHERE, "--publish", "8080/tcp"), {
    mode: 0o600,
  });
  const env = { SALLYPORT_RUN_DIR: join(edge.data, "run") };
  const words = ["expose", echo.address, "--token-file", tokenFile, "--log", "json"];
  await using exposed = run(SYSTEM_NODE, [AGENT, ...words], { env });
  await exposed.until(/"msg":"ready"/);
  expect(exposed.stdout).toBe(`8080/tcp leads to ${echo.address} until Ctrl-C\n`);
  expect(await exchange(edge.host, 8080, "hello")).toBe("hello");
  expect(await edge.json<MappingView[]>("map", "ls")).toMatchObject([
    { endpoint: "8080/tcp", name: "ad hoc", expires: expect.any(String) },
  ]);

  const elsewhere = await execute(SYSTEM_NODE, [AGENT, ...words, "--at", "8081/tcp"], { env });
  expect(elsewhere).toMatchObject({ code: 7, stderr: expect.stringContaining("may not publish 8081/tcp") });
  exposed.kill("SIGINT");
  expect(await exposed.ended).toMatchObject({ code: 0 });
  expect(await edge.json<MappingView[]>("map", "ls")).toEqual([]);
});

test("a target that its token does not let the agent dial is refused before anything is published", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  await edge.ok("site", "add", "lab");
  const tokenFile = join(edge.data, "token");
  await writeFile(tokenFile, await edge.ok("token", "agent", "lab", "--local", "--publish", "8080/tcp"), {
    mode: 0o600,
  });
  const env = { SALLYPORT_RUN_DIR: join(edge.data, "run") };
  for (const target of ["127.0.0.1:3000", "http://localhost:3000", "unix:/run/app.sock"]) {
    const refused = await execute(SYSTEM_NODE, [AGENT, "expose", target, "--token-file", tokenFile], { env });
    expect(refused).toMatchObject({ code: 7, stderr: expect.stringMatching(/error\[target-denied\].*--allow/) });
  }
  expect(await edge.json<MappingView[]>("map", "ls")).toEqual([]);
});
