import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeJwt } from "jose";
import { expect, test } from "vitest";
import { AGENT, SYSTEM_NODE } from "../../scripts/tool.ts";
import type { ConnectionView } from "../../shared/rule/api.ts";
import { EVERY_TARGET } from "../../shared/address/target-rule.ts";
import { testEdge, type TestEdge } from "../support/edge.ts";
import { httpOrigin } from "../support/http.ts";
import { exchange } from "../support/lan.ts";
import { run, type Run } from "../support/run.ts";

test("an agent's own loopback is dialled only where its token or its own --allow names it", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  await using origin = await httpOrigin((_, response) => response.end("ok"));
  await edge.ok("site", "add", "lab");
  await edge.ok("map", "add", "8080/tcp", "lab", `${origin.host}:${origin.port}`);
  const answers = async (words: readonly string[], rules: readonly string[] = []): Promise<boolean> => {
    await using agent = await agentWith(edge, words, rules);
    const answer = await exchange(edge.host, 8080, "GET / HTTP/1.0\r\n\r\n");
    agent.kill("SIGKILL");
    return answer.startsWith("HTTP/1.1 200");
  };

  expect(await answers([])).toBe(false);
  const [refused] = (await edge.json<ConnectionView[]>("log")).filter(({ code }) => code === "target-denied");
  expect(refused?.reason).toContain("the agent's own machine, which neither its token nor its --allow names");
  expect(await answers([], ["--allow", "0.0.0.0/0"])).toBe(false);
  expect(await answers([], ["--allow", `${origin.host}:${origin.port}`])).toBe(true);
  expect(await answers(["--target", `${origin.host}:${origin.port}`])).toBe(true);
  expect(await answers(["--target", "localhost"])).toBe(false);
  // As a token that was issued before there was another.
  const before = EVERY_TARGET.flatMap((target) => ["--target", target]);
  expect(await answers(before)).toBe(true);
  expect(await answers(before, ["--deny", "localhost"])).toBe(false);

  expect(await edge.ok("token", "ls")).toMatch(/any target but the agent's own loopback/);
  await edge.ok("token", "agent", "lab", "--local", "--target", "LocalHost.:3000", "--out", join(edge.data, "t"));
  const { targets } = decodeJwt<{ targets: string[] }>(await readFile(join(edge.data, "t"), "utf8"));
  expect(targets).toEqual(["127.0.0.1:3000", "[::1]:3000"]);
});

let files = 0;

/** An agent whose token was asked for with these words, under rules of its own, ready. */
async function agentWith(edge: TestEdge, words: readonly string[], rules: readonly string[]): Promise<Run> {
  files += 1;
  const file = join(edge.data, `agent-${files}.token`);
  await edge.ok("token", "agent", "lab", "--local", ...words, "--out", file);
  const agent = run(SYSTEM_NODE, [AGENT, "--token-file", file, "--log", "json", ...rules]);
  await agent.until(/"msg":"ready"/);
  return agent;
}
