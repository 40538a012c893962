import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { AGENT, SALLYPORT, SYSTEM_NODE } from "../../scripts/tool.ts";
import { testEdge } from "../support/edge.ts";
import { echoServer, exchange, testAgent } from "../support/lan.ts";
import { loopback } from "../support/net.ts";
import { run } from "../support/run.ts";
import { tempDir } from "../support/temp-dir.ts";

/** `serve` where so many files may be open: the soft limit, and the hard one. */
function limited(soft: number, hard: number, data: string, host: string, ...more: readonly string[]) {
  const serve = [SYSTEM_NODE, SALLYPORT, "serve", "--data", data, "--listen", `${host}:8787`, "--bind", host, ...more];
  const limits = `ulimit -Sn ${soft} && ulimit -Hn ${hard} && exec "$@"`;
  return run("sh", ["-c", limits, "sh", ...serve, "--log", "json"]);
}

test("workerd may open what the hard limit permits, and a low one is said with its figure", async () => {
  await using folder = await tempDir();
  const data = join(folder.path, "edge");
  await using serve = limited(256, 4097, data, loopback());
  await serve.until(/"msg":"ready"/);
  expect(serve.stderr).toContain(
    "the limit on open files is low: 4097, which is certain to be enough for 682 visitors only",
  );
  const { pid } = JSON.parse(await readFile(join(data, "run/workerd.pid"), "utf8")) as { pid: number };
  expect(await readFile(`/proc/${pid}/limits`, "utf8")).toMatch(/^Max open files +4097 +4097/m);
});

test("more visitors than files may be open end workerd, and it is back for the next ones", async () => {
  // Its data, its login and its agent are those of an edge that runs without limits first.
  await using edge = await testEdge({ tcp: "8080" });
  await using echo = await echoServer();
  await using _agent = await testAgent(edge);
  await edge.ok("map", "add", "8080/tcp", "lab", echo.address);
  await edge.stop();
  await using serve = limited(256, 256, edge.data, edge.host, "--tcp", "8080");
  await serve.until(/"msg":"ready"/);
  expect(serve.stderr).toContain("the limit on open files is low: 256,");
  while ((await exchange(edge.host, 8080, "before")) !== "before") continue;

  const visitors = await Promise.all(Array.from({ length: 400 }, () => connected(edge.host, 8080)));
  // What can't be held is refused by nobody: workerd ends. It waits for no more than a tenth of a second.
  const [, delay] = await serve.until(/starting it again","inMs":(\d+)/);
  expect(Number(delay)).toBe(100);
  await serve.until(/"msg":"workerd is back"/);
  for (const visitor of visitors) visitor.destroy();
  while ((await exchange(edge.host, 8080, "after")) !== "after") continue;
});

test("an agent that may open no more files warns with its limit, and does not blame names or targets", async () => {
  await using edge = await testEdge({ tcp: "8080,8090" });
  await using echo = await echoServer();
  // Makes the site and its token.
  const { run: usual, tokenFile } = await testAgent(edge);
  await usual[Symbol.asyncDispose]();
  await edge.ok("map", "add", "8080/tcp", "lab", echo.address);
  await edge.ok("map", "add", "8090/tcp", "lab", `localhost:${echo.address.split(":").at(-1)}`);
  const words = [SYSTEM_NODE, AGENT, "--token-file", tokenFile, "--log", "json"];
  const env = { SALLYPORT_RUN_DIR: edge.data };
  await using agent = run("sh", ["-c", 'ulimit -n 64 && exec "$@"', "sh", ...words], { env });
  await agent.until(/"msg":"ready"/);
  const visitors = await Promise.all(Array.from({ length: 64 }, () => connected(edge.host, 8080)));
  await agent.until(/"level":"warn","msg":"the agent has no file descriptors left","limit":64,"fix":"[^"]*LimitNOFILE/);
  visitors.push(await connected(edge.host, 8090));
  await agent.until(/"endpoint":"8090\/tcp"[^\n]*"reason":"the agent has no file descriptors left"/);
  for (const visitor of visitors) visitor.destroy();
  while ((await exchange(edge.host, 8080, "after")) !== "after") continue;
});

/** A visitor who says nothing; it may have been refused or cut off. */
async function connected(host: string, port: number): Promise<Socket> {
  const socket = connect(port, host);
  socket.on("error", () => undefined);
  await Promise.race([once(socket, "connect"), once(socket, "close")]).catch(() => undefined);
  return socket;
}
