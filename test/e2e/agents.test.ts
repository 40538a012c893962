import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import net from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { AGENT, SYSTEM_NODE } from "../../scripts/tool.ts";
import type { ConnectionView, StatusView } from "../../shared/rule/api.ts";
import { testEdge, type TestEdge } from "../support/edge.ts";
import { link } from "../support/link.ts";
import { loopback } from "../support/net.ts";
import { run, type Run } from "../support/run.ts";
import { ANYWHERE } from "../support/targets.ts";

test("visitors are spread over the agents of a site; when one dies, new ones go to the other", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  await using echo = await echoServer();
  await edge.ok("site", "add", "lab");
  await edge.ok("map", "add", "8080/tcp", "lab", echo.address);
  await using first = await agent(edge, await tokenFile(edge, "one"));
  await using second = await agent(edge, await tokenFile(edge, "two"));
  const visitors = await Promise.all(Array.from({ length: 8 }, () => visit(edge)));
  for (const visitor of visitors) expect(await visitor.says("spread")).toBe("spread");
  const { sites } = await edge.json<StatusView>("status");
  expect(sites[0]?.agents.map((each) => each.streams)).toEqual([4, 4]);

  first.kill("SIGKILL");
  await first.ended;
  for (let turn = 0; turn < 4; turn += 1) {
    const late = await visit(edge);
    expect(await late.says("still served")).toBe("still served");
    late.socket.destroy();
  }
  expect(second.pid).toBeGreaterThan(0);
  for (const { socket } of visitors) socket.destroy();
});

test("a second process with the same token takes over; the first finishes what it has and gets nothing new", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  await using echo = await echoServer();
  await edge.ok("site", "add", "lab");
  await edge.ok("map", "add", "8080/tcp", "lab", echo.address);
  const file = await tokenFile(edge, "one");
  await using first = await agent(edge, file);
  const old = await visit(edge);
  expect(await old.says("old")).toBe("old");
  await using second = await agent(edge, file);
  expect(await old.says("goes on")).toBe("goes on");
  const fresh = await visit(edge);
  expect(await fresh.says("new")).toBe("new");
  const { sites } = await edge.json<StatusView>("status");
  expect(sites[0]?.agents.map((each) => each.streams)).toEqual([1, 1]);
  expect([first.pid, second.pid].every((pid) => pid > 0)).toBe(true);
  old.socket.destroy();
  fresh.socket.destroy();
});

test("when a clone that took an agent's place is gone, the agent serves again at once, as often as that happens", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  await using echo = await echoServer();
  await edge.ok("site", "add", "lab");
  await edge.ok("map", "add", "8080/tcp", "lab", echo.address);
  const file = await tokenFile(edge, "one");
  await using original = await agent(edge, file);
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    const clone = await agent(edge, file);
    await original.until(/"msg":"stands by"/);
    clone.kill(signal);
    await clone.ended;
    await original.until(/"msg":"connected"/);
    const visitor = await visit(edge);
    expect(await visitor.says("still here")).toBe("still here");
    visitor.socket.destroy();
  }
});

test("an agent told to stop finishes its streams first, and leaves with 0", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  await using echo = await echoServer();
  await edge.ok("site", "add", "lab");
  await edge.ok("map", "add", "8080/tcp", "lab", echo.address);
  await using only = await agent(edge, await tokenFile(edge, "one"));
  const visitor = await visit(edge);
  expect(await visitor.says("before")).toBe("before");
  only.kill("SIGTERM");
  await only.until(/"msg":"draining"/);
  expect(await visitor.says("while draining")).toBe("while draining");
  visitor.socket.end();
  expect(await only.ended).toMatchObject({ code: 0 });
});

test("a visitor whom the edge sent before it heard that the agent stops is served", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  await using echo = await echoServer();
  await using path = await link(edge.url);
  await edge.ok("site", "add", "lab");
  await edge.ok("map", "add", "8080/tcp", "lab", echo.address);
  await using only = await agent(edge, await tokenFile(edge, "one"), "--edge", path.url);
  path.blackhole();
  // Their DIAL and the agent's GOAWAY pass each other on the way.
  const visitor = await visit(edge);
  await expect
    .poll(async () => (await edge.json<StatusView>("status")).mappings[0]?.streams, { timeout: 60_000 })
    .toBe(1);
  only.kill("SIGTERM");
  await only.until(/"msg":"draining"/);
  path.heal();
  expect(await visitor.says("served")).toBe("served");
  visitor.socket.destroy();
  expect(await only.ended).toMatchObject({ code: 0 });
});

test("a rolling restart of two agents under load loses no visitor", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  await using echo = await echoServer();
  await edge.ok("site", "add", "lab");
  await edge.ok("map", "add", "8080/tcp", "lab", echo.address);
  const files = [await tokenFile(edge, "one"), await tokenFile(edge, "two")];
  await using stack = new AsyncDisposableStack();
  const agents = [];
  for (const file of files) agents.push(stack.use(await agent(edge, file)));
  const over = new AbortController();
  let served = 0;
  // Each comes, says something, hears it, and goes; and some stay for a while.
  const load = Array.from({ length: 6 }, async (_, index) => {
    const wrong: string[] = [];
    for (let turn = 0; !over.signal.aborted; turn += 1) {
      const visitor = await visit(edge);
      for (let word = 0; word < 1 + index * 4; word += 1) {
        const words = `${index}.${turn}.${word}`;
        const heard = await visitor.says(words);
        if (heard !== words) wrong.push(`${words}: ${heard}`);
      }
      visitor.socket.destroy();
      served += 1;
    }
    return wrong;
  });
  for (const [index, file] of files.entries()) {
    const old = agents[index];
    const before = served;
    // The upgrade: told to stop, it gives away what is new and finishes what it has, and the next version starts.
    old?.kill("SIGTERM");
    expect(await old?.ended).toMatchObject({ code: 0 });
    stack.use(await agent(edge, file));
    await expect.poll(() => served, { timeout: 60_000 }).toBeGreaterThan(before + 20);
  }
  over.abort();
  expect((await Promise.all(load)).flat()).toEqual([]);
  const outcomes = (await edge.json<ConnectionView[]>("log")).map((each) => each.outcome);
  expect(outcomes.filter((outcome) => outcome === "lost" || outcome === "refused")).toEqual([]);
});

test("a second signal stops an agent now", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  await using echo = await echoServer();
  await edge.ok("site", "add", "lab");
  await edge.ok("map", "add", "8080/tcp", "lab", echo.address);
  await using only = await agent(edge, await tokenFile(edge, "one"));
  const visitor = await visit(edge);
  expect(await visitor.says("open")).toBe("open");
  only.kill("SIGTERM");
  await only.until(/"msg":"draining"/);
  only.kill("SIGTERM");
  expect(await only.ended).toMatchObject({ code: 0 });
});

test("a token on the command line is gone from the process list once the agent runs", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  await edge.ok("site", "add", "lab");
  const token = await edge.ok("token", "agent", "lab", "--local", ...ANYWHERE);
  await using started = run(SYSTEM_NODE, [AGENT, "--token", token, "--log", "json"]);
  await started.until(/"msg":"ready"/);
  const shown = await readFile(`/proc/${started.pid}/cmdline`, "utf8");
  expect(shown).not.toContain(token.slice(0, 20));
  expect(started.stderr).toContain("--token-file is safer");
  expect(started.stderr).not.toContain(token);
});

async function tokenFile(edge: TestEdge, name: string): Promise<string> {
  const file = join(edge.data, `token-${name}`);
  await writeFile(file, await edge.ok("token", "agent", "lab", "--local", ...ANYWHERE), { mode: 0o600 });
  return file;
}

async function agent(_: TestEdge, file: string, ...more: readonly string[]): Promise<Run> {
  const started = run(SYSTEM_NODE, [AGENT, "--token-file", file, "--log", "json", ...more]);
  await started.until(/"msg":"ready"/);
  return started;
}

async function echoServer() {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => {});
    socket.pipe(socket);
  });
  server.listen(0, loopback());
  await once(server, "listening");
  const { address, port } = server.address() as net.AddressInfo;
  return { address: `${address}:${port}`, [Symbol.asyncDispose]: async () => void server.close() };
}

/** A visitor at port 8080 who says something and hears the answer. */
async function visit(edge: TestEdge) {
  const socket = net.connect(8080, edge.host);
  socket.on("error", () => {});
  await once(socket, "connect");
  let heard = "";
  socket.on("data", (bytes: Buffer) => (heard += bytes.toString()));
  const says = async (words: string): Promise<string> => {
    heard = "";
    socket.write(words);
    while (heard.length < words.length && !socket.closed)
      await Promise.race([once(socket, "data"), once(socket, "close")]);
    return heard;
  };
  return { socket, says };
}
