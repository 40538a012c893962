import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { MappingView, StatusView } from "../../shared/api.ts";
import { TestEdge, testEdge } from "../support/edge.ts";
import { echoServer, exchange, testAgent } from "../support/lan.ts";
import { tempDir } from "../support/temp-dir.ts";

test("a backup made while streams run brings everything back: secret, sites, mappings, tokens", async () => {
  await using folder = await tempDir();
  const kept = join(folder.path, "backup");
  await using edge = await testEdge({ tcp: "8080" });
  await using echo = await echoServer();
  await using agent = await testAgent(edge);
  await edge.ok("map", "add", "8080/tcp", "lab", echo.address, "--name", "echo");
  const backedUp = await edge.cli(["backup", kept, "--data", edge.data]);
  expect(backedUp).toMatchObject({ code: 0, stderr: expect.stringMatching(/stood still for \d+ ms/) });
  expect(await exchange(edge.host, 8080, "still here")).toBe("still here");
  await edge.ok("map", "rm", "8080/tcp");
  expect(agent.run.stderr).not.toContain('"msg":"not connected"');
  await edge.stop();

  await using again = new TestEdge(edge.host, folder.path, { tcp: "8080" }, new AsyncDisposableStack());
  expect(await again.cli(["restore", kept, "--data", again.data])).toMatchObject({ code: 0 });
  await again.start();
  await again.login();
  expect(await readFile(again.secretFile, "utf8")).toBe(await readFile(edge.secretFile, "utf8"));
  expect(await again.json<MappingView[]>("map", "ls")).toMatchObject([{ endpoint: "8080/tcp", name: "echo" }]);
  // The agent's token is as good as before: it comes back by itself.
  for (;;) {
    const { sites } = await again.json<StatusView>("status");
    if (sites[0]?.state === "online") break;
  }
  expect(await exchange(again.host, 8080, "back")).toBe("back");
});

test("neither a backup nor a running edge's data is overwritten", async () => {
  await using edge = await testEdge();
  await using folder = await tempDir();
  expect(await edge.cli(["backup", folder.path, "--data", edge.data])).toMatchObject({
    code: 3,
    stderr: expect.stringContaining("backup-exists"),
  });
  const kept = join(folder.path, "backup");
  await edge.ok("backup", kept, "--data", edge.data);
  expect(await edge.cli(["restore", kept, "--data", edge.data])).toMatchObject({
    code: 3,
    stderr: expect.stringContaining("data-in-use"),
  });
  await edge.stop();
  expect(await edge.cli(["restore", kept, "--data", edge.data])).toMatchObject({
    code: 3,
    stderr: expect.stringContaining("data-not-empty"),
  });
  expect(await edge.cli(["restore", edge.data, "--data", join(folder.path, "new")])).toMatchObject({
    code: 3,
    stderr: expect.stringContaining("no-backup"),
  });
});
