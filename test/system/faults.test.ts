import { writeFile } from "node:fs/promises";
import { globSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test, type TestContext } from "vitest";
import type { MappingView, SiteView } from "../../shared/api.ts";
import { TestEdge, testEdge } from "../support/edge.ts";
import { againAgent, echoServer, exchange, testAgent } from "../support/lan.ts";
import { loopback } from "../support/net.ts";
import { execute } from "../support/run.ts";
import { tempDir } from "../support/temp-dir.ts";

test("a workerd that hangs is noticed and started again, with everything it knew", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  await using echo = await echoServer();
  await using _agent = await testAgent(edge);
  await edge.ok("map", "add", "8080/tcp", "lab", echo.address);
  expect(await exchange(edge.host, 8080, "before")).toBe("before");
  const { workerd } = edge;
  process.kill(workerd, "SIGSTOP");
  await edge.serve.until(/workerd does not answer; starting workerd again/);
  await edge.serve.until(/"msg":"workerd is back"/);
  expect(edge.workerd).not.toBe(workerd);
  // The agent comes back by itself; until then a visitor is refused.
  while ((await exchange(edge.host, 8080, "after")) !== "after") continue;
});

test("on a full disk changes are refused, what was confirmed stays, and what is mapped goes on", async (context) => {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempDir());
  await smallDisk(context, folder.path, stack);
  const edge = stack.use(new TestEdge(loopback(), folder.path, { tcp: "8080" }, new AsyncDisposableStack()));
  await edge.start();
  await edge.login();
  await using echo = await echoServer();
  await using agent = await testAgent(edge);
  await edge.ok("map", "add", "8080/tcp", "lab", echo.address);
  const fill = join(folder.path, "fill");
  expect((await execute("dd", ["if=/dev/zero", `of=${fill}`, "bs=1k"])).stderr).toContain("No space left");

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
  await execute("rm", [fill]);
  expect(await exchange(edge.host, 8080, "room again")).toBe("room again");
  await edge.ok("map", "add", "lab/late", "lab", "10.0.0.5:22");
});

test.for([
  ["a registry of garbage", "sallyport-registry", "head -c 20000 /dev/urandom", "is no database"],
  ["a registry that lost its end", "sallyport-registry", "head -c 9000", "has lost its end"],
  ["an empty registry", "sallyport-registry", "head -c 0", "is empty"],
  ["a relay of garbage", "sallyport-relay", "head -c 300 /dev/urandom", "a relay takes its rules from the registry"],
])("%s is named at the start, and nothing is written to it", async ([, object, command, said]) => {
  await using edge = await testEdge();
  await using _agent = await testAgent(edge);
  await edge.stop();
  const folder = join(edge.data, "storage", object ?? "");
  // What was written last is still beside the file: bring it in.
  for (const name of globSync(`${folder}/*.sqlite`)) {
    using database = new DatabaseSync(name);
    database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  }
  const damage = `for f in ${folder}/*.sqlite; do ${command} < $f > $f.new; mv $f.new $f; rm -f $f-wal $f-shm; done`;
  await execute("sh", ["-c", damage]);
  const sums = async () => (await execute("sh", ["-c", `cat ${folder}/* | sha256sum`])).stdout;
  const before = await sums();
  const ended = await edge.cli(["serve", "--data", edge.data, "--listen", `${edge.host}:8787`]);
  expect(ended).toMatchObject({ code: 3, stderr: expect.stringContaining("error[data-damaged]") });
  expect(ended.stderr).toContain(said);
  expect(await sums()).toBe(before);
});

test("a relay whose damaged file was moved away has its rules again", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  await using echo = await echoServer();
  await using _agent = await testAgent(edge);
  await edge.ok("map", "add", "8080/tcp", "lab", echo.address);
  await edge.stop();
  await execute("sh", ["-c", `rm -r ${join(edge.data, "storage/sallyport-relay")}`]);
  await edge.start();
  while ((await exchange(edge.host, 8080, "again")) !== "again") continue;
  expect(await edge.json<SiteView[]>("site", "ls")).toMatchObject([{ name: "lab" }]);
});

test.for([
  ["", "admin-secret-short"],
  ["short\n", "admin-secret-short"],
])("an admin secret of %j is no reason to make another one", async ([content = "", code]) => {
  await using edge = await testEdge();
  await edge.stop();
  await writeFile(edge.secretFile, content);
  expect(await edge.cli(["serve", "--data", edge.data, "--listen", `${edge.host}:8787`])).toMatchObject({
    code: 3,
    stderr: expect.stringContaining(`error[${code}]`),
  });
});

/** A file system of its own with little room. Only root can make one; elsewhere the test is skipped and says so. */
async function smallDisk(context: TestContext, path: string, stack: AsyncDisposableStack): Promise<void> {
  const { code, stderr } = await execute("mount", ["-t", "tmpfs", "-o", "size=4m", "none", path]);
  if (code === 0) return void stack.defer(async () => void (await execute("umount", ["--lazy", path])));
  console.warn(`SKIPPED: ${context.task.name}: needs to mount a small tmpfs: ${stderr}`);
  context.skip("needs to mount a small tmpfs");
}
