import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { AGENT, SYSTEM_NODE } from "../../scripts/tool.ts";
import { testEdge } from "../support/edge.ts";
import { echoServer, exchange, testAgent } from "../support/lan.ts";
import { execute, run } from "../support/run.ts";
import { tempDir } from "../support/temp-dir.ts";

type Report = { state: string; site: string; connects: number; kinds: { tcp: { opened: number; bytesIn: number } } };

test("a running agent says what it does, is ready, and is scraped", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  await using echo = await echoServer();
  await using agent = await testAgent(edge, "--metrics", "0");
  await edge.ok("map", "add", "8080/tcp", "lab", echo.address);
  expect(await exchange(edge.host, 8080, "hello")).toBe("hello");

  expect(await agent.ask("ready")).toMatchObject({ code: 0, stdout: "ready: lab\n" });
  const { stdout } = await agent.ask("status", "--json");
  const report = JSON.parse(stdout) as Report;
  expect(report).toMatchObject({
    state: "connected",
    site: "lab",
    connects: 1,
    kinds: { tcp: { opened: 1, bytesIn: 5 } },
  });
  expect((await agent.ask("status")).stdout).toContain(`edge        ${edge.url}`);

  const [, url = ""] = await agent.run.until(/"url":"(http:[^"]+)"/);
  const scraped = await (await fetch(url)).text();
  expect(scraped).toContain('sallyport_agent_bytes_total{kind="tcp",direction="in"} 5\n');
  expect(scraped).toContain("sallyport_agent_connected 1\n");
  expect(scraped).not.toContain("eyJ");
});

test("an agent that has lost its edge is running, but not ready", async () => {
  await using edge = await testEdge();
  await using agent = await testAgent(edge);
  await edge.stop();
  await agent.run.until(/"msg":"not connected"/);
  expect(await agent.ask("ready")).toMatchObject({
    code: 6,
    stderr: expect.stringContaining("error[not-ready]: lab is connecting"),
  });
});

test("where no agent runs, its commands say so", async () => {
  await using folder = await tempDir();
  const env = { SALLYPORT_RUN_DIR: folder.path };
  const ended = await execute(SYSTEM_NODE, [AGENT, "status", "--site", "nowhere"], { env });
  expect(ended).toMatchObject({ code: 6, stderr: expect.stringContaining("no agent of nowhere runs here") });
});

test("reload takes new rules for new streams, and refuses a broken configuration whole", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  await using echo = await echoServer();
  await using folder = await tempDir();
  const config = join(folder.path, "agent.toml");
  await writeFile(config, `log-level = "debug"\n`);
  await using agent = await testAgent(edge, "--config", config);
  await edge.ok("map", "add", "8080/tcp", "lab", echo.address);
  expect(await exchange(edge.host, 8080, "open")).toBe("open");

  await writeFile(config, `deny = ["127.0.0.0/8"]\n`);
  expect(await agent.ask("reload")).toMatchObject({ code: 0, stdout: "lab: changed: deny, log-level\n" });
  expect(await exchange(edge.host, 8080, "shut")).toBe("");

  await writeFile(config, `dney = []\n`);
  expect(await agent.ask("reload")).toMatchObject({ code: 3, stderr: expect.stringContaining("did you mean deny?") });
  agent.run.kill("SIGHUP");
  await agent.run.until(/"msg":"not reloaded"/);
  expect(await exchange(edge.host, 8080, "shut")).toBe("");
});

test("a first signal lets streams finish, and says so on the control socket", async () => {
  await using edge = await testEdge();
  await using agent = await testAgent(edge);
  agent.run.kill("SIGTERM");
  expect(await agent.run.ended).toMatchObject({ code: 0 });
  expect(await agent.ask("status")).toMatchObject({ code: 6 });
});

test("without a token, an agent says how to get one", async () => {
  await using agent = run(SYSTEM_NODE, [AGENT], { env: { CREDENTIALS_DIRECTORY: undefined } });
  expect(await agent.ended).toMatchObject({ code: 2, stderr: expect.stringContaining("sallyport token agent SITE") });
});
