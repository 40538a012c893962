import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, type TestContext } from "vitest";
import type { MappingView } from "../../shared/rule/api.ts";
import { smallDisk, type Disk } from "../support/disk.ts";
import { TestEdge } from "../support/edge.ts";
import { againAgent, echoServer, exchange, testAgent, type TestAgent } from "../support/lan.ts";
import { loopback } from "../support/net.ts";
import { tempDir } from "../support/temp-dir.ts";

/** An edge that is not started yet, whose data is on a disk of 4 MB. */
async function edgeOnDisk(context: TestContext, stack: AsyncDisposableStack): Promise<{ edge: TestEdge; disk: Disk }> {
  const folder = stack.use(await tempDir());
  const edge = new TestEdge(loopback(), folder.path, { tcp: "8080" }, stack.use(new AsyncDisposableStack()));
  await mkdir(edge.data);
  return { edge, disk: await smallDisk(context, edge.data, stack) };
}

/** The same with one mapping that is served. */
async function served(
  context: TestContext,
  stack: AsyncDisposableStack,
): Promise<{ edge: TestEdge; disk: Disk; agent: TestAgent }> {
  const { edge, disk } = await edgeOnDisk(context, stack);
  const echo = stack.use(await echoServer());
  await edge.start();
  await edge.login();
  const agent = stack.use(await testAgent(edge));
  await edge.ok("map", "add", "8080/tcp", "lab", echo.address);
  expect(await exchange(edge.host, 8080, "served")).toBe("served");
  return { edge, disk, agent };
}

test("on a full disk changes are refused, what was confirmed stays, and what is mapped goes on", async (context) => {
  await using stack = new AsyncDisposableStack();
  const { edge, disk, agent } = await served(context, stack);
  await disk.fill();
  const confirmed: string[] = [];
  let refused = "";
  for (let n = 1; refused === ""; n += 1) {
    const { code, stderr } = await edge.cli(["map", "add", `lab/n${n}`, "lab", "10.0.0.5:22"]);
    if (code === 0) confirmed.push(`lab/n${n}`);
    else refused = stderr;
  }
  expect(refused).toContain("error[disk-full]: The disk of the edge is full: nothing was changed.");
  // Whatever a relay could not write down cost it one life at most: its agent is back at once.
  for (let again = 0; again < 20; again += 1)
    expect(await exchange(edge.host, 8080, "still served")).toBe("still served");
  // Neither does it need to write to take an agent that comes anew.
  await agent.run[Symbol.asyncDispose]();
  await using _newer = await againAgent(edge, agent);
  expect(await exchange(edge.host, 8080, "by another")).toBe("by another");
  const kept = ["8080/tcp", ...confirmed];
  expect((await edge.json<MappingView[]>("map", "ls")).map(({ endpoint }) => endpoint)).toEqual(kept);

  // As after a power cut.
  process.kill(edge.workerd, "SIGKILL");
  await edge.serve.until(/"msg":"workerd is back"/);
  expect((await edge.json<MappingView[]>("map", "ls")).map(({ endpoint }) => endpoint)).toEqual(kept);
  while ((await exchange(edge.host, 8080, "full still")) !== "full still") continue;
  await disk.empty();
  expect(await exchange(edge.host, 8080, "room again")).toBe("room again");
  await edge.ok("map", "add", "lab/late", "lab", "10.0.0.5:22");
});

test("an edge that was stopped on a full disk is whole when there is room again", async (context) => {
  await using stack = new AsyncDisposableStack();
  const { edge, disk, agent } = await served(context, stack);
  await disk.fill();
  for (let refused = false; !refused;)
    refused = (await edge.cli(["map", "add", "lab/more", "lab", "10.0.0.5:22"])).code !== 0;
  await edge.stop();
  await disk.empty();
  expect(await edge.cli(["serve", "--check", "--data", edge.data])).toMatchObject({ code: 0 });
  await edge.start();
  await using _again = await againAgent(edge, agent);
  while ((await exchange(edge.host, 8080, "whole")) !== "whole") continue;
});

test.for([
  ["with the agent connected", false],
  ["after its last connection", true],
])("an edge starts on a disk that is full, and serves what is mapped: stopped %s", async ([, quietly], context) => {
  await using stack = new AsyncDisposableStack();
  const { edge, disk, agent } = await served(context, stack);
  // Nothing is connected: workerd ends by itself, and leaves nothing beside the databases.
  if (quietly === true) await agent.run[Symbol.asyncDispose]();
  await edge.stop();
  await disk.fill();
  await edge.start();
  expect(edge.serve.stderr).toContain('"msg":"the disk is full: starting with the reserved space"');
  await using _again = await againAgent(edge, agent);
  while ((await exchange(edge.host, 8080, "served")) !== "served") continue;
  // And once more, as machines do that are started again because something is wrong.
  process.kill(edge.workerd, "SIGKILL");
  await edge.serve.until(/"msg":"workerd is back"/);
  while ((await exchange(edge.host, 8080, "again")) !== "again") continue;
  await disk.empty();
  await edge.ok("map", "add", "lab/late", "lab", "10.0.0.5:22");
});

test("two edges can't share a folder on a full disk either", async (context) => {
  await using stack = new AsyncDisposableStack();
  const { edge, disk } = await served(context, stack);
  await edge.stop();
  await disk.fill();
  await edge.start();
  const words = ["serve", "--data", edge.data, "--listen", `${loopback()}:8787`];
  expect(await edge.cli(words)).toMatchObject({ code: 3, stderr: expect.stringContaining("error[data-in-use]") });
});

test("the first start on a full disk says so, and leaves nothing half made", async (context) => {
  await using stack = new AsyncDisposableStack();
  const { edge, disk } = await edgeOnDisk(context, stack);
  await disk.fill();
  const words = ["serve", "--data", edge.data, "--listen", `${edge.host}:8787`];
  const ended = await edge.cli(words);
  expect(ended).toMatchObject({ code: 3, stderr: expect.stringContaining("error[disk-full]") });
  expect(ended.stderr).not.toContain("defect");
  await disk.empty();
  expect(await readdir(edge.data)).not.toContain("admin-secret");
  await edge.start();
  await edge.login();
});

test("a read-only disk is named, and can be checked", async (context) => {
  await using stack = new AsyncDisposableStack();
  const { edge, disk } = await served(context, stack);
  await edge.stop();
  await disk.remount("ro");
  for (const path of [edge.data, join(edge.data, "new")]) {
    const ended = await edge.cli(["serve", "--data", path, "--listen", `${edge.host}:8787`]);
    expect(ended).toMatchObject({ code: 3, stderr: expect.stringContaining("error[data-read-only]") });
    expect(ended.stderr).toContain("mount it for writing");
    expect(ended.stderr).not.toContain("defect");
  }
  expect(await edge.cli(["serve", "--check", "--data", edge.data])).toMatchObject({
    code: 0,
    stdout: expect.stringContaining("nothing is damaged"),
  });
  await disk.remount("rw");
  await edge.start();
});

test("a backup that does not fit is not there", async (context) => {
  await using stack = new AsyncDisposableStack();
  const { edge, disk } = await served(context, stack);
  const elsewhere = stack.use(await tempDir());
  const small = await smallDisk(context, elsewhere.path, stack);
  await small.fill();
  expect(await edge.cli(["backup", join(small.path, "backup"), "--data", edge.data])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("error[backup-failed]"),
  });
  expect(await readdir(small.path)).toEqual(["fill"]);
  // The other way about: it is made, and its data folder can't know of it.
  await small.empty();
  await disk.fill();
  await writeFile(join(small.path, "note"), "");
  const made = await edge.cli(["backup", join(small.path, "backup"), "--data", edge.data]);
  expect(made).toMatchObject({ code: 0, stderr: expect.stringContaining("could not be recorded in the data folder") });
});
