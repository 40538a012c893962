import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { AGENT, SYSTEM_NODE } from "../../scripts/tool.ts";
import type { StatusView } from "../../shared/rule/api.ts";
import { TestEdge } from "../support/edge.ts";
import { testAgent } from "../support/lan.ts";
import { loopback } from "../support/net.ts";
import { run } from "../support/run.ts";
import { tempDir } from "../support/temp-dir.ts";

type Told = { event: string; site: string; subject: string; text: string };

test("a webhook hears once that a site went offline, that it is back, and of a rule and a token that end", async () => {
  await using stack = new AsyncDisposableStack();
  const told: Told[] = [];
  let changed = Promise.withResolvers<void>();
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      told.push(JSON.parse(body) as Told);
      response.end();
      changed.resolve();
      changed = Promise.withResolvers();
    });
  }).listen(0, loopback());
  stack.defer(() => void server.close());
  await once(server, "listening");
  const heard = async (event: string): Promise<Told> => {
    for (;;) {
      const found = told.find((each) => each.event === event);
      if (found !== undefined) return found;
      await changed.promise;
    }
  };
  const { address, port } = server.address() as AddressInfo;
  const folder = stack.use(await tempDir());
  const edge = stack.use(new TestEdge(loopback(), folder.path, {}, new AsyncDisposableStack()));
  await edge.start("--webhook", `http://${address}:${port}/hook`);
  await edge.login();
  const agent = await testAgent(edge);
  await edge.ok("map", "add", "lab/ssh", "lab", "10.0.0.5:22", "--expires", "2d");
  expect(await heard("mapping-expires")).toMatchObject({ site: "lab", subject: "lab/ssh" });
  await edge.ok("token", "gateway", "--expires", "3d");
  expect((await heard("token-expires")).text).toContain("gateway token");

  await agent[Symbol.asyncDispose]();
  // A minute later: a restart is no news. The relay and the registry sleep meanwhile, an alarm wakes them.
  expect(await heard("site-offline")).toMatchObject({ site: "lab" });
  expect((await edge.json<StatusView>("status")).sites).toMatchObject([{ state: "offline" }]);
  const again = stack.use(run(SYSTEM_NODE, [AGENT, "--token-file", agent.tokenFile, "--log", "json"]));
  await again.until(/"msg":"ready"/);
  expect(await heard("site-online")).toMatchObject({ site: "lab" });
  const events = told.map(({ event }) => event).toSorted();
  expect(events).toEqual(["mapping-expires", "site-offline", "site-online", "token-expires"]);
});
