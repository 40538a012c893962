import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import type { ConnectionView, StatusView } from "../../shared/rule/api.ts";
import { encodeControl } from "../../shared/wire/control.ts";
import { encodeFrame, TYPE, viewOf, writeU64 } from "../../shared/wire/frame.ts";
import { RELAY_BUDGET } from "../../shared/wire/limits.ts";
import { encodeOpen } from "../../shared/wire/open.ts";
import { HandMade } from "../support/hand-made.ts";
import { loopback } from "../support/net.ts";
import { tcpServer } from "../support/peers.ts";
import { testSite, type TestSite } from "../support/site.ts";
import { residentOf } from "../support/soundness.ts";
import { ANYWHERE } from "../support/targets.ts";

// X misbehaves, Y doesn't notice.

const MIB = 1024 * 1024;
const OVERRUN = 4413;
const BUSY = 4429;
/** Lanes that a hostile client tries, one after the other: unbounded, they would hold 20 MiB each. */
const MOST_LANES = 8;

/** Ways to have more sent than one reads. Each is done by a client that grants everything and has stopped reading. */
const GREEDY: Readonly<Record<string, (peer: HandMade, stream: number) => void>> = {
  "and lies that it has consumed all": (peer, stream) => {
    const consumed = new Uint8Array(8);
    for (let bytes = 65_536; bytes < 4 * MIB; bytes += 65_536) {
      writeU64(viewOf(consumed), 0, bytes);
      peer.say({ type: TYPE.CREDIT, stream, offset: 2 ** 40 }, consumed);
    }
  },
  "and asks for it again and again": (peer, stream) => {
    for (let count = 0; count < 200; count += 1) peer.say({ type: TYPE.ASK, stream, offset: 0 });
  },
  "and resets what has filled up, for the next": (peer, stream) => peer.say({ type: TYPE.RESET, stream }),
  "and echoes marks that it has not seen": (peer) => {
    for (let count = 0; count < 200; count += 1) peer.raw(encodeFrame({ type: TYPE.MARK, offset: count * 65_536 }));
  },
};

test.each(Object.keys(GREEDY))(
  "a client that grants everything and reads nothing %s is closed, and its neighbours are served",
  async (how) => {
    await using site = await testSite();
    await using echo = await tcpServer(loopback());
    await using flood = await floods();
    await site.map("lab/flood", `${flood.host}:${flood.port}`);
    await site.map("lab/echo", `${echo.host}:${echo.port}`);
    const [token, other] = [await visitor(site), await visitor(site)];
    await using neighbour = await join(site, other);
    expect(await neighbour.open(1, "lab/echo")).toBe("open");
    const before = residentOf(site.edge.workerd);

    const peers: HandMade[] = [];
    await using stack = new AsyncDisposableStack();
    // One lane after the other, as long as the edge lets the token in.
    for (let lanes = 0; lanes < MOST_LANES; lanes += 1) {
      const peer = stack.use(new HandMade({ url: site.edge.url, token, kind: "client" }));
      peer.window = 2 ** 40;
      await peer.join();
      if (peer.ending !== "") {
        expect(peer.ending).toContain(String(BUSY));
        break;
      }
      peers.push(peer);
      peer.deaf();
      for (let stream = 1; stream <= 10; stream += 1) {
        peer.say({ type: TYPE.OPEN, stream, offset: 2 ** 40 }, encodeOpen({ endpoint: "lab/flood", visitor: "" }));
        await pause(50);
        GREEDY[how]?.(peer, stream);
      }
      expect(await said(neighbour, lanes)).toBe(`hello ${lanes}`);
    }
    // What one token can make a relay hold is bounded; workerd keeps a copy or two of it.
    expect(residentOf(site.edge.workerd) - before).toBeLessThan((8 * RELAY_BUDGET) / MIB);
    expect(await said(neighbour, 100)).toBe("hello 100");
    // Once it lets go, it may come again.
    for (const peer of peers) await peer[Symbol.asyncDispose]();
    for (;;) {
      await using again = await new HandMade({ url: site.edge.url, token, kind: "client" }).join();
      if (again.ending === "") break;
    }
  },
);

test("a client that sends more than an agent granted loses its lane; the agent keeps its own", async () => {
  await using site = await testSite();
  await using echo = await tcpServer(loopback());
  await site.map("lab/echo", `${echo.host}:${echo.port}`);
  await using neighbour = await join(site, await visitor(site));
  expect(await neighbour.open(1, "lab/echo")).toBe("open");
  await using peer = await join(site, await visitor(site));
  // The agent reads nothing for a while: what is sent to it waits in the relay.
  site.agent.kill("SIGSTOP");
  const block = new Uint8Array(65_536);
  const pour = setInterval(() => {
    for (let count = 0; count < 16; count += 1) peer.say({ type: TYPE.DATA, stream: 77 }, block);
  }, 10);
  expect(await peer.closed).toBe(OVERRUN);
  clearInterval(pour);
  site.agent.kill("SIGCONT");
  expect(await said(neighbour, 1)).toBe("hello 1");
});

test("a flood of refused streams is a number in the log, and its client hears each", async () => {
  await using site = await testSite();
  await using echo = await tcpServer(loopback());
  await site.map("lab/closed", `${echo.host}:${echo.port}`, "--deny-from", "127.0.0.0/8");
  await using peer = await join(site, await visitor(site));
  const flood = 2_000;
  for (let stream = 1; stream <= flood; stream += 1)
    peer.say({ type: TYPE.OPEN, stream, offset: 1 }, encodeOpen({ endpoint: "lab/closed", visitor: "" }));
  for (let count = 0; count < flood; count += 1) await peer.next(TYPE.REJECT);
  const refused = async () => (await site.edge.json<StatusView>("status")).mappings[0]?.refused;
  while ((await refused()) !== flood);
  const log = await site.edge.json<ConnectionView[]>("log");
  expect(log.length).toBeLessThan(40);
  expect(log.reduce((sum, { count = 1 }) => sum + count, 0)).toBe(flood);
});

test("one token's ends are refused before they take the place of others", async () => {
  await using site = await testSite();
  await using echo = await tcpServer(loopback());
  await site.map("lab/echo", `${echo.host}:${echo.port}`);
  const token = await visitor(site);
  await using stack = new AsyncDisposableStack();
  let ends = 0;
  for (; ends < 300; ends += 1) {
    const peer = stack.use(await join(site, token));
    if (peer.ending === "") continue;
    expect(peer.ending).toContain(String(BUSY));
    break;
  }
  expect(ends).toBeLessThan(128);
  await using neighbour = await join(site, await visitor(site));
  expect(await neighbour.open(1, "lab/echo")).toBe("open");
  const agentToken = await site.edge.ok("token", "agent", "lab", "--local", ...ANYWHERE);
  await using agent = await new HandMade({ url: site.edge.url, token: agentToken, kind: "agent" }).join();
  expect(agent.slot).toBeGreaterThan(0);
});

test("an agent that floods its edge with reports fills its own site's log, and nobody else's", async () => {
  await using site = await testSite();
  await using echo = await tcpServer(loopback());
  await site.map("lab/echo", `${echo.host}:${echo.port}`);
  await using neighbour = await join(site, await visitor(site));
  expect(await neighbour.open(1, "lab/echo")).toBe("open");
  neighbour.say({ type: TYPE.RESET, stream: 1 });
  const mine = async () => (await site.edge.json<ConnectionView[]>("log", "--site", "lab")).length;
  while ((await mine()) === 0);
  await site.edge.ok("site", "add", "shop");
  await site.edge.ok("map", "add", "shop/a", "shop", "127.0.0.1:9");
  const { id } = (await site.edge.json<StatusView>("status")).mappings.find(({ site: of }) => of === "shop") ?? {
    id: 0,
  };
  const token = await site.edge.ok("token", "agent", "shop", "--local", ...ANYWHERE);
  await using agent = await new HandMade({ url: site.edge.url, token, kind: "agent" }).join();
  const report = {
    at: 1,
    ended: 2,
    mapping: id,
    token: "x",
    endpoint: "shop/a",
    target: "",
    visitor: "192.0.2.1",
    bytesIn: 1,
    bytesOut: 1,
    outcome: "done",
    code: "",
    reason: "",
  };
  for (let count = 0; count < 5_000; count += 1) agent.raw(encodeControl(TYPE.REPORT, report));
  const dropped = async () =>
    (await site.edge.json<StatusView>("status")).sites.find(({ name }) => name === "shop")?.relay.droppedRecords ?? 0;
  while ((await dropped()) === 0);
  expect(await mine()).toBe(1);
  const log = await site.edge.json<ConnectionView[]>("log", "--site", "shop", "--limit", "1000");
  // By the edge's clock, whatever the agent says.
  expect(new Set(log.map(({ ended }) => ended.slice(0, 4)))).toEqual(new Set([new Date().toISOString().slice(0, 4)]));
});

async function visitor(site: TestSite): Promise<string> {
  return readFileSync(await site.token("visitor", "--endpoint", "lab/*"), "utf8").trim();
}

function join(site: TestSite, token: string): Promise<HandMade> {
  return new HandMade({ url: site.edge.url, token, kind: "client" }).join();
}

const heard = new WeakMap<HandMade, number>();

/** What the echo of stream 1 gives back for a word that was not said before. */
async function said(peer: HandMade, n: number): Promise<string> {
  const words = `hello ${n}`;
  const offset = heard.get(peer) ?? 0;
  heard.set(peer, offset + words.length);
  peer.say({ type: TYPE.DATA, stream: 1, offset }, new TextEncoder().encode(words));
  const frame = await peer.next(TYPE.DATA);
  // Or the agent would wait for more before it sends another small frame.
  const consumed = new Uint8Array(8);
  writeU64(viewOf(consumed), 0, offset + words.length);
  peer.say({ type: TYPE.CREDIT, stream: 1, offset: 16_384 }, consumed);
  return frame === undefined ? "" : Buffer.from(frame.payload.subarray((frame.flags & 1) === 0 ? 0 : 8)).toString();
}

/** A server that never stops sending. */
function floods() {
  const block = Buffer.alloc(65_536, 1);
  return tcpServer(loopback(), 0, (socket) => {
    const more = (): void => {
      while (socket.writable && socket.write(block));
    };
    socket.on("drain", more);
    more();
  });
}
