import { expect, test } from "vitest";
import type { ConnectionView, StatusView } from "../../shared/rule/api.ts";
import { testEdge } from "../support/edge.ts";
import { loopback } from "../support/net.ts";
import { ask } from "../support/peers.ts";

test("a flood of denied visitors is a number in status and a few lines in the log", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  await edge.ok("site", "add", "lab");
  await edge.ok("map", "add", "8080/tcp", "lab", "10.0.0.5:80", "--deny-from", "127.0.0.0/8");
  const sources = [loopback(), loopback(), loopback()];
  for (let round = 0; round < 20; round += 1) {
    await Promise.all(Array.from({ length: 30 }, (_, n) => ask(edge.host, 8080, "x", sources[n % 3]).catch(() => "")));
  }
  const refused = async () => (await edge.json<StatusView>("status")).mappings[0]?.refused;
  while ((await refused()) !== 600);
  const log = await edge.json<ConnectionView[]>("log");
  expect(log.length).toBeLessThan(100);
  expect(log.reduce((sum, { count = 1 }) => sum + count, 0)).toBe(600);
  // All of that without a relay: no agent has ever been there.
  expect((await edge.json<StatusView>("status")).sites).toMatchObject([{ relay: { seen: false, instance: null } }]);
});
