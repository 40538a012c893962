import { expect, test } from "vitest";
import { loopback } from "../support/net.ts";
import { testEdge } from "../support/edge.ts";
import { echoServer, exchange, testAgent } from "../support/lan.ts";

type Found = { check: string; outcome: string; detail: string; fix: string };

test("the doctor finds a healthy agent healthy, and does not disturb it", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  await using echo = await echoServer();
  await using agent = await testAgent(edge);
  await edge.ok("map", "add", "8080/tcp", "lab", echo.address);
  expect(await exchange(edge.host, 8080, "hello")).toBe("hello");

  const { code, stdout } = await agent.ask("doctor", "--token-file", agent.tokenFile, "--json");
  const found = JSON.parse(stdout) as Found[];
  expect(code).toBe(0);
  for (const check of ["token", "dns", "tcp", "edge", "clock", "signature", "lane", `target ${echo.address}`]) {
    expect(found).toContainEqual(expect.objectContaining({ check, outcome: "ok" }));
  }
  expect(await agent.ask("ready")).toMatchObject({ code: 0 });
  expect(agent.run.stderr).not.toContain('"msg":"not connected"');
});

test("a target that is down, one that is not allowed, and an edge that is away each have their own sentence", async () => {
  await using edge = await testEdge();
  await using agent = await testAgent(edge);
  const ask = (...words: readonly string[]) => agent.ask("doctor", "--token-file", agent.tokenFile, ...words);
  const down = `${loopback()}:9`;
  expect(await ask("--target", down)).toMatchObject({
    code: 6,
    stdout: expect.stringContaining(`FAIL  target ${down}: ${down} refused the connection: nothing listens there\n`),
  });
  expect(await ask("--target", "8.8.8.8:53")).toMatchObject({
    code: 7,
    stdout: expect.stringContaining("8.8.8.8 port 53"),
  });
  await edge.stop();
  expect(await ask()).toMatchObject({ code: 5, stdout: expect.stringContaining("can't be reached (ECONNREFUSED)") });
});

test("a revoked token is found out, and what to do is said", async () => {
  await using edge = await testEdge();
  await using agent = await testAgent(edge);
  const [token] = (await edge.json<{ jti: string; kind: string }[]>("token", "ls")).filter(
    ({ kind }) => kind === "agent",
  );
  await edge.ok("token", "revoke", token?.jti ?? "");
  const ended = await agent.ask("doctor", "--token-file", agent.tokenFile);
  expect(ended).toMatchObject({
    code: 4,
    stdout: expect.stringMatching(/FAIL {2}lane: .*\n {6}fix: .*sallyport token agent/),
  });
});
