import { copyFile, mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { SALLYPORT, SYSTEM_NODE } from "../../scripts/tool.ts";
import type { MappingView, SiteView, StatusView } from "../../shared/rule/api.ts";
import { makeDatabase } from "../support/database.ts";
import { TestEdge, testEdge } from "../support/edge.ts";
import { echoServer, exchange, testAgent } from "../support/lan.ts";
import { run } from "../support/run.ts";
import { tempDir } from "../support/temp-dir.ts";

test("a backup made while streams run brings everything back: secret, sites, mappings, tokens", async () => {
  await using folder = await tempDir();
  const kept = join(folder.path, "backup");
  await using edge = await testEdge({ tcp: "8080" });
  await using echo = await echoServer();
  await using agent = await testAgent(edge);
  await edge.ok("map", "add", "8080/tcp", "lab", echo.address, "--name", "echo");
  const backedUp = await edge.cli(["backup", kept, "--data", edge.data]);
  expect(backedUp).toMatchObject({ code: 0, stderr: expect.stringContaining("databases, all checked") });
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

test("a backup that is interrupted leaves nothing, and the edge as it was", async () => {
  await using folder = await tempDir();
  const kept = join(folder.path, "backup");
  await using edge = await testEdge({ tcp: "8080" });
  await using echo = await echoServer();
  await using _agent = await testAgent(edge);
  await edge.ok("map", "add", "8080/tcp", "lab", echo.address);
  await addDatabases(edge);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    await using backup = run(SYSTEM_NODE, [SALLYPORT, "backup", kept, "--data", edge.data]);
    await appears(folder.path, /^backup\.unfinished-/);
    expect(await stateOf(edge.workerd)).not.toBe("T");
    backup.kill(signal);
    expect(await backup.ended).toMatchObject({ code: 1, stderr: expect.stringContaining("error[interrupted]") });
    expect(await readdir(folder.path)).toEqual([]);
    expect(await exchange(edge.host, 8080, signal)).toBe(signal);
  }
  // Nothing can be done about this one but to tell what it left by its name, and to take it away the next time.
  await using killed = run(SYSTEM_NODE, [SALLYPORT, "backup", kept, "--data", edge.data]);
  await appears(folder.path, /^backup\.unfinished-/);
  killed.kill("SIGKILL");
  await killed.ended;
  expect(await exchange(edge.host, 8080, "served")).toBe("served");
  expect((await readdir(folder.path)).join(" ")).toMatch(/^backup\.unfinished-\d+$/);
  await edge.ok("backup", kept, "--data", edge.data);
  expect(await readdir(folder.path)).toEqual(["backup"]);
  expect(await edge.cli(["serve", "--check", "--data", kept])).toMatchObject({ code: 0 });
});

test("a restore that is interrupted leaves nothing, and one that is killed is made again", async () => {
  await using edge = await testEdge();
  await using folder = await tempDir();
  await edge.ok("site", "add", "lab");
  await addDatabases(edge);
  const kept = join(folder.path, "backup");
  await edge.ok("backup", kept, "--data", edge.data);
  await edge.stop();
  await using again = new TestEdge(edge.host, folder.path, {}, new AsyncDisposableStack());
  const restore = () => run(SYSTEM_NODE, [SALLYPORT, "restore", kept, "--data", again.data]);
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    await using restoring = restore();
    await appears(again.data, /^unfinished-restore$/);
    restoring.kill(signal);
    expect(await restoring.ended).toMatchObject({ code: 1, stderr: expect.stringContaining("error[interrupted]") });
    expect(await readdir(folder.path)).toEqual(["backup"]);
  }
  await using killed = restore();
  await appears(again.data, /^unfinished-restore$/);
  killed.kill("SIGKILL");
  await killed.ended;
  for (const words of [["--check"], ["--listen", `${again.host}:8787`]])
    expect(await again.cli(["serve", "--data", again.data, ...words])).toMatchObject({
      code: 3,
      stderr: expect.stringContaining("error[restore-unfinished]"),
    });
  await again.ok("restore", kept, "--data", again.data);
  await again.start();
  await again.login();
  expect(await again.json<SiteView[]>("site", "ls")).toMatchObject([{ name: "lab" }]);
});

/** Makes copying take a while: databases of relays that are long gone. */
async function addDatabases(edge: TestEdge): Promise<void> {
  const path = join(edge.data, "storage/sallyport-relay");
  await mkdir(path, { recursive: true });
  const first = join(path, `${"0".repeat(64)}.sqlite`);
  makeDatabase(first, { pageSize: 4096, rows: 100, checkpoint: 0, seed: 1 }, () => {});
  for (let n = 1; n < 100; n += 1) await copyFile(first, join(path, `${String(n).padStart(64, "0")}.sqlite`));
}

/** Waits until a folder has a name like this in it. */
async function appears(folder: string, name: RegExp): Promise<void> {
  while (!(await readdir(folder).catch(() => [])).some((each) => name.test(each))) continue;
}

/** As `ps` shows it; T is stopped. */
async function stateOf(pid: number): Promise<string> {
  return /^State:\s+(\S)/m.exec(await readFile(`/proc/${pid}/status`, "utf8"))?.[1] ?? "";
}

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
