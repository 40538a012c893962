import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import type { StatusView } from "../../shared/rule/api.ts";
import { decodeControl, Routes } from "../../shared/wire/control.ts";
import { TYPE, type Frame } from "../../shared/wire/frame.ts";
import { needs } from "../support/debian.ts";
import { testEdge, type TestEdge } from "../support/edge.ts";
import { HandMade } from "../support/hand-made.ts";
import { rig } from "../support/rig.ts";
import { Shell } from "../support/shell.ts";
import { sshd } from "../support/sshd.ts";

test("an SSH session that idles through a client until its relay hibernates is there when it is needed", async (context) => {
  await needs(context, "openssh-server", "openssh-client");
  await using server = await sshd();
  await using all = await rig();
  const { host, port } = await all.client("ssh", server.address);
  await using shell = new Shell(server, host, port);
  await shell.answers();
  await hibernates(all.edge);
  await shell.answers();
});

test("an agent comes back though the relay still has a lane that it closed before it hibernated, and callers are told", async () => {
  await using edge = await testEdge();
  await edge.ok("site", "add", "lab");
  await edge.ok("map", "add", "lab/nothing", "lab", "192.0.2.1:9");
  const agentToken = await edge.ok("token", "agent", "lab", "--local");
  const visitorToken = await edge.ok("token", "visitor", "--endpoint", "lab/*");
  const agent = (incarnation?: string) =>
    new HandMade({ url: edge.url, token: agentToken, kind: "agent", ...(incarnation && { incarnation }) }).join();
  await using lost = await agent();
  await using client = await new HandMade({ url: edge.url, token: visitorToken, kind: "client" }).join();
  // As over a path that has gone dark: the relay closes the lane, and its end never answers.
  lost.deaf();
  lost.raw("no frame at all");
  expect(slotsIn(await client.next(TYPE.ROUTES))).toEqual([]);
  await hibernates(edge);
  await using back = await agent(lost.incarnation);
  expect(slotsIn(await client.next(TYPE.ROUTES))).toEqual([back.slot]);
  const { sites } = await edge.json<StatusView>("status");
  expect(sites[0]?.agents.map(({ lanes }) => lanes.length)).toEqual([1]);
});

/** Resolves when the relay of the edge's only site has hibernated. */
async function hibernates(edge: TestEdge): Promise<void> {
  const instance = async () => (await edge.json<StatusView>("status")).sites[0]?.relay.instance;
  const before = await instance();
  // The platform puts an object to sleep after ten seconds in which it was asked nothing; pings don't count.
  await expect
    .poll(
      async () => {
        await pause(12_000);
        return (await instance()) === before;
      },
      { timeout: 120_000 },
    )
    .toBe(false);
}

function slotsIn(frame: Frame | undefined): number[] | undefined {
  return frame && decodeControl(frame, Routes).slots.map(({ slot }) => slot);
}
