import { join } from "node:path";
import { writeFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { AGENT, SYSTEM_NODE } from "../../scripts/tool.ts";
import type { StatusView } from "../../shared/rule/api.ts";
import { testEdge } from "../support/edge.ts";
import { HandMade } from "../support/hand-made.ts";
import { link } from "../support/link.ts";
import { loopback } from "../support/net.ts";
import { tcpServer } from "../support/peers.ts";
import { run } from "../support/run.ts";
import { ANYWHERE } from "../support/targets.ts";

test("a rule removed while its agent is away ends what clients have open, as soon as the agent is back", async () => {
  await using edge = await testEdge();
  await using path = await link(edge.url);
  const ended = Promise.withResolvers<void>();
  let kept = true;
  await using removed = await tcpServer(
    loopback(),
    0,
    (socket) => void socket.resume().on("close", () => ended.resolve()),
  );
  await using stays = await tcpServer(
    loopback(),
    0,
    (socket) => void socket.resume().on("close", () => (kept = false)),
  );
  await edge.ok("site", "add", "lab");
  const file = join(edge.data, "token");
  await writeFile(file, await edge.ok("token", "agent", "lab", "--local", ...ANYWHERE), { mode: 0o600 });
  await edge.ok("map", "add", "lab/a", "lab", `${removed.host}:${removed.port}`);
  await edge.ok("map", "add", "lab/b", "lab", `${stays.host}:${stays.port}`);
  const token = await edge.ok("token", "visitor", "--endpoint", "lab/*");
  await using agent = run(SYSTEM_NODE, [AGENT, "--token-file", file, "--edge", path.url, "--log", "json"]);
  await agent.until(/"msg":"ready"/);
  await using client = await new HandMade({ url: edge.url, token, kind: "client" }).join();
  expect([await client.open(1, "lab/a"), await client.open(2, "lab/b")]).toEqual(["open", "open"]);

  path.blackhole();
  path.cut();
  while ((await edge.json<StatusView>("status")).sites[0]?.agents.length !== 0);
  await edge.ok("map", "rm", "lab/a");
  path.heal();
  await ended.promise;
  // What its rule still allows was not touched.
  expect(kept).toBe(true);
});
