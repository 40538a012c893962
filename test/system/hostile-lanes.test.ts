import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { ConnectionView, StatusView } from "../../shared/rule/api.ts";
import { encodeFrame, TYPE } from "../../shared/wire/frame.ts";
import { badFrames } from "../support/bad-frames.ts";
import { HandMade, type HandKind } from "../support/hand-made.ts";
import { loopback } from "../support/net.ts";
import { tcpServer } from "../support/peers.ts";
import { testSite, type TestSite } from "../support/site.ts";
import { expectSound, quiet } from "../support/soundness.ts";

// Ends made by hand against a real edge and a real agent: what they say costs them their lane at most.

for (const kind of ["client", "gateway"] as const) {
  test(`whatever a ${kind} says costs its own lane at most, and a neighbour's stream goes on`, async () => {
    await using site = await testSite();
    await using echo = await tcpServer(loopback());
    await site.map("lab/a", `${echo.host}:${echo.port}`);
    const token = await tokenOf(site, kind);
    const before = await quiet(site);
    await using neighbour = await new HandMade({
      url: site.edge.url,
      token: await tokenOf(site, "client"),
      kind: "client",
    }).join();
    expect(await neighbour.open(1, "lab/a")).toBe("open");
    await attack(site, kind, token);
    expect(await echoes(neighbour)).toBe("still here");
    await leave(neighbour);
    await expectSound(site, before, [token]);
  });
}

test("whatever an agent says costs its own lane at most, and another agent goes on serving", async () => {
  await using site = await testSite();
  await using echo = await tcpServer(loopback());
  await site.map("lab/a", `${echo.host}:${echo.port}`);
  await site.edge.ok("site", "add", "shop");
  await site.map("lab/b", `${echo.host}:${echo.port}`);
  const token = await site.edge.ok("token", "agent", "lab", "--local");
  const before = await quiet(site);
  await using neighbour = await new HandMade({
    url: site.edge.url,
    token: await tokenOf(site, "client"),
    kind: "client",
  }).join();
  expect(await neighbour.open(1, "lab/a")).toBe("open");
  const sent = await attack(site, "agent", token);
  expect(sent).toBeGreaterThan(200);
  expect(await echoes(neighbour)).toBe("still here");
  await leave(neighbour);
  // What it said of connections can be read, and says nothing of mappings that are not its own.
  const log = await site.edge.json<ConnectionView[]>("log");
  expect(log.filter(({ mapping }) => mapping === 999_999)).toEqual([]);
  expect(log.filter(({ code }) => code.startsWith("__"))).toEqual([]);
  const shown = await site.edge.ok("log");
  expect(["\u001b", "\u202e"].filter((char) => shown.includes(char))).toEqual([]);
  expect((await site.edge.json<StatusView>("status")).mappings[0]?.refused).toBe(0);
  await expectSound(site, before, [token]);
});

/** Says everything bad to the edge, each on a lane that is good until then; answers how many there were. */
async function attack(site: TestSite, kind: HandKind, token: string): Promise<number> {
  const enter = (): Promise<HandMade> =>
    new HandMade({ url: site.edge.url, token, kind, incarnation: "e".repeat(32) }).join();
  let peer = await enter();
  const all = badFrames(kind, kind === "agent" ? { channel: 1 } : { slot: peer.slot });
  for (const { name, message, lane } of all) {
    peer.raw(message);
    const isAlive = await answers(peer);
    expect({ name, lane: isAlive ? "lives" : `ends ${peer.ending.slice(0, 4)}` }).toEqual({
      name,
      lane: lane === "lives" ? "lives" : "ends 4400",
    });
    // Of two RENEWs, one or both are answered: what is left of that must not be taken for the answer to the next.
    if (isAlive && !name.startsWith("RENEW")) continue;
    await peer[Symbol.asyncDispose]();
    peer = await enter();
  }
  await peer[Symbol.asyncDispose]();
  return all.length;
}

/** Whether the relay still answers on a lane. */
async function answers(peer: HandMade): Promise<boolean> {
  if (peer.kind === "agent") {
    peer.frames.length = 0;
    peer.raw(encodeFrame({ type: TYPE.RENEW }, new TextEncoder().encode("{}")));
    return (await peer.next(TYPE.RENEW)) !== undefined;
  }
  return (await peer.open(1_000 + Math.floor(Math.random() * 1e9), "lab/nothing")) !== "closed";
}

async function echoes(peer: HandMade): Promise<string> {
  peer.say({ type: TYPE.DATA, stream: 1 }, new TextEncoder().encode("still here"));
  const frame = await peer.next(TYPE.DATA);
  return frame === undefined ? "" : Buffer.from(frame.payload.subarray((frame.flags & 1) === 0 ? 0 : 8)).toString();
}

/** Ends its stream, which would otherwise wait for it to come back. */
async function leave(peer: HandMade): Promise<void> {
  peer.say({ type: TYPE.RESET, stream: 1 });
  expect(await peer.open(2, "lab/nothing")).toBe("no-mapping");
  await peer[Symbol.asyncDispose]();
}

async function tokenOf(site: TestSite, kind: HandKind): Promise<string> {
  const scope = kind === "client" ? ["visitor", "--endpoint", "lab/*"] : ["gateway"];
  return readFileSync(await site.token(scope[0] ?? "", ...scope.slice(1)), "utf8").trim();
}
