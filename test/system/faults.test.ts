import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import type { MappingView, SiteView } from "../../shared/rule/api.ts";
import { randomOf } from "../support/database.ts";
import { testEdge } from "../support/edge.ts";
import { echoServer, exchange, testAgent } from "../support/lan.ts";
import { execute, run } from "../support/run.ts";

test("a workerd that hangs is noticed and started again, with everything it knew", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  await using echo = await echoServer();
  await using _agent = await testAgent(edge);
  await edge.ok("map", "add", "8080/tcp", "lab", echo.address);
  expect(await exchange(edge.host, 8080, "before")).toBe("before");
  const { workerd } = edge;
  await using debug = run("python3", ["-c", ATTACH, String(workerd)]);
  await debug.until(/attached/);
  await edge.serve.until(/workerd does not answer; starting workerd again/);
  await edge.serve.until(/"msg":"workerd is back"/);
  expect(edge.workerd).not.toBe(workerd);
  // The agent comes back by itself; until then a visitor is refused.
  while ((await exchange(edge.host, 8080, "after")) !== "after") continue;
});

/** Holds a process as a debugger does, until it dies: stopped, and not to be continued by a signal. */
const ATTACH = `
import ctypes, os, sys
pid = int(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
if libc.ptrace(16, pid, None, None) != 0: sys.exit("ptrace: %d" % ctypes.get_errno())
os.waitpid(pid, 0x40000000)
print("attached", flush=True)
# Its parent hears of its end after we have.
os.waitpid(pid, 0x40000000)
`;

test("a workerd that a signal has stopped goes on, with its streams", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  await using echo = await echoServer();
  await using _agent = await testAgent(edge);
  await edge.ok("map", "add", "8080/tcp", "lab", echo.address);
  const visitor = connect(8080, edge.host);
  visitor.write("before");
  expect(String((await once(visitor, "data"))[0])).toBe("before");
  const { workerd } = edge;
  // As a backup of an earlier version that was killed half way.
  process.kill(workerd, "SIGSTOP");
  await edge.serve.until(/"msg":"workerd was stopped by a signal: continued it"/);
  visitor.write("after");
  expect(String((await once(visitor, "data"))[0])).toBe("after");
  expect(edge.workerd).toBe(workerd);
  visitor.destroy();
});

test("an edge that is killed while it writes has what it confirmed, each time", async () => {
  await using edge = await testEdge();
  await edge.ok("site", "add", "lab");
  const random = randomOf(9);
  const confirmed: string[] = [];
  const write = async (): Promise<void> => {
    for (;;) {
      const endpoint = `lab/n${confirmed.length}`;
      const body = { endpoint, site: "lab", target: "10.0.0.5:22", note: "x".repeat(200) };
      const answer = await edge.api("POST", "/mappings", edge.adminToken, body).catch(() => undefined);
      if (answer?.ok !== true) return;
      confirmed.push(endpoint);
    }
  };
  for (let life = 0; life < 6; life += 1) {
    const before = confirmed.length;
    const more = 20 + random(60);
    const writing = write();
    while (confirmed.length < before + more) await turn();
    process.kill(edge.workerd, "SIGKILL");
    edge.serve.kill("SIGKILL");
    await writing;
    expect(await edge.cli(["serve", "--check", "--data", edge.data])).toMatchObject({ code: 0 });
    await edge.start();
    const kept = new Set((await edge.json<MappingView[]>("map", "ls")).map(({ endpoint }) => endpoint));
    expect(confirmed.filter((endpoint) => !kept.has(endpoint))).toEqual([]);
    // One more may be there that was never answered.
    for (const endpoint of kept) if (!confirmed.includes(endpoint)) confirmed.push(endpoint);
  }
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
