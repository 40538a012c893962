import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { AGENT, SYSTEM_NODE } from "../../scripts/tool.ts";
import type { StatusView } from "../../shared/rule/api.ts";
import { counted } from "../support/counted.ts";
import { testEdge } from "../support/edge.ts";
import { echoServer, exchange } from "../support/lan.ts";
import { run } from "../support/run.ts";
import { ANYWHERE } from "../support/targets.ts";

/** What an idle site costs on Cloudflare is what wakes its relay: messages other than pings, and whoever asks it. */
test("an agent of an idle site sends nothing but pings, and its relay leaves memory", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  await using path = await counted(edge.url);
  await using echo = await echoServer();
  await edge.ok("site", "add", "lab");
  await edge.ok("map", "add", "8080/tcp", "lab", echo.address);
  const token = join(edge.data, "token");
  await writeFile(token, await edge.ok("token", "agent", "lab", "--local", ...ANYWHERE), { mode: 0o600 });
  await using agent = run(SYSTEM_NODE, [AGENT, "--token-file", token, "--edge", path.url, "--log", "json"]);
  await agent.until(/"msg":"ready"/);
  // There was a visitor, once.
  expect(await exchange(edge.host, 8080, "hello")).toBe("hello");
  const instance = async () => (await edge.json<StatusView>("status")).sites[0]?.relay.instance;

  let before = await instance();
  for (;;) {
    // By then what the visitor and our asking left to be said is said.
    await path.pings(2);
    const lanes = path.lanes();
    const settled = lanes.map(({ binary }) => binary);
    await path.pings(2);
    const said = lanes.map(({ binary }) => binary);
    // On a crowded machine a lane may have been replaced, which costs a HELLO.
    const isSame = path.lanes().length === lanes.length && path.lanes().every((lane, index) => lane === lanes[index]);
    const after = await instance();
    if (!isSame) continue;
    expect(said).toEqual(settled);
    expect(lanes).toHaveLength(3);
    if (after !== before) break;
    before = after;
  }
});
