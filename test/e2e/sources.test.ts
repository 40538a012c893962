import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import { expect, test } from "vitest";
import WebSocket from "ws";
import { decodeControl, Routes } from "../../shared/wire/control.ts";
import { decodeFrame, encodeFrame, TYPE } from "../../shared/wire/frame.ts";
import { decodeFailure, encodeOpen } from "../../shared/wire/open.ts";
import { askHttp, httpOrigin } from "../support/http.ts";
import { greetedLane } from "../support/lane.ts";
import { loopback } from "../support/net.ts";
import { tcpServer } from "../support/peers.ts";
import { testSite, type TestSite } from "../support/site.ts";

// The same visitors, however they write their address, at every way in: what a rule says of them must be the same.
// Ports that the Worker owns see real peers only: test/unit/tcp-door.test.ts gives them the same disguises.

type Verdict = "in" | "out";

/** By a rule that allows 203.0.113.0/24 and 2001:db8:7::/48 but not 203.0.113.66; and by one that denies only that address. */
const VISITORS: readonly [address: string, allowed: Verdict, denied: Verdict][] = [
  ["203.0.113.9", "in", "in"],
  ["::ffff:203.0.113.9", "in", "in"],
  ["::FFFF:cb00:7109", "in", "in"],
  ["198.51.100.9", "out", "in"],
  ["::ffff:198.51.100.9", "out", "in"],
  ["2001:db8:7::1", "in", "in"],
  ["2001:0DB8:0007:0:0::1", "in", "in"],
  ["2001:db8:8::1", "out", "in"],
  // An allowed address inside another is not that address; a denied one is denied wherever it may come out.
  ["64:ff9b::203.0.113.9", "out", "in"],
  ["2002:cb00:7109::1", "out", "in"],
  ["203.0.113.66", "out", "out"],
  ["::ffff:203.0.113.66", "out", "out"],
  ["::ffff:cb00:7142", "out", "out"],
  ["::203.0.113.66", "out", "out"],
  ["64:ff9b::cb00:7142", "out", "out"],
  ["64:ff9b:1::203.0.113.66", "out", "out"],
  ["2002:cb00:7142::1", "out", "out"],
  ["2001:0:cb00:7142::", "out", "out"],
  ["fe80::5efe:203.0.113.66", "out", "out"],
  // What is no address lets nobody in.
  ["0313.0.113.9", "out", "out"],
  ["203.0.113.009", "out", "out"],
  ["0xcb.0.113.9", "out", "out"],
  ["3405803785", "out", "out"],
  ["203.0.113.9.", "out", "out"],
  ["203.0.113.9%eth0", "out", "out"],
  ["fe80::1%eth0", "out", "out"],
  ["203.0.113.9/32", "out", "out"],
  ["203.0.113", "out", "out"],
  ["unknown", "out", "out"],
];

test("no disguise of an address gets past a rule, or falls foul of one, at any way in", async () => {
  await using site = await testSite({}, "--trusted-proxy", "127.0.0.0/8");
  await using echo = await tcpServer(loopback());
  await using origin = await httpOrigin((_, response) => void response.end("ok"));
  const target = `${echo.host}:${echo.port}`;
  const deny = ["203.0.113.66"];
  const rules = { allowed: { allow: ["203.0.113.0/24", "2001:db8:7::/48"], deny }, denied: { allow: [], deny } };
  const gatewayToken = await site.token("gateway");
  for (const [n, rule] of Object.values(rules).entries()) {
    for (const each of [
      { endpoint: `809${n}/tcp`, target },
      { endpoint: `506${n}/udp`, target },
      { endpoint: `lab/echo${n}`, target },
      { endpoint: `http://app${n}.localhost:8787`, target: origin.url },
    ])
      await site.edge.ask("POST", "/mappings", { ...each, ...rule, site: "lab" });
  }
  const host = loopback();
  const gateway = await site.gateway(gatewayToken, "--bind", host, "--proxy-protocol-from", "127.0.0.0/8");
  for (const n of [0, 1]) await gateway.until(new RegExp(`"msg":"listening","endpoint":"809${n}\\/tcp"`));
  const token = (await readFile(await site.token("visitor", "--endpoint", "lab/*"), "utf8")).trim();
  const owner = (await readFile(gatewayToken, "utf8")).trim();
  const ways: Record<string, (address: string, n: number) => Promise<Verdict>> = {
    "HTTP host": (address, n) => atHost(site, address, n),
    "raw WebSocket": (address, n) => byWebSocket(site, token, address, n),
    client: (address, n) => byLane(site, "client", token, address, `lab/echo${n}`),
    "gateway, TCP": (address, n) => behindBalancer(host, address, 8090 + n),
    "gateway, UDP": (address, n) => byLane(site, "gateway", owner, address, `506${n}/udp`),
  };
  for (const [way, visit] of Object.entries(ways)) {
    const found: unknown[] = [];
    for (const [address] of VISITORS) found.push([address, await visit(address, 0), await visit(address, 1)]);
    expect({ way, found }).toEqual({ way, found: VISITORS });
  }
});

async function atHost({ edge }: TestSite, address: string, n: number): Promise<Verdict> {
  const { status } = await askHttp(edge.url, `app${n}.localhost`, { headers: { "x-forwarded-for": address } });
  expect([200, 403]).toContain(status);
  return status === 200 ? "in" : "out";
}

async function byWebSocket({ edge }: TestSite, token: string, address: string, n: number): Promise<Verdict> {
  const socket = new WebSocket(`${edge.url.replace("http", "ws")}/.sallyport/tcp/lab/echo${n}`, {
    headers: { authorization: `Bearer ${token}`, "x-forwarded-for": address },
  });
  const verdict = await new Promise<Verdict>((resolve) => {
    socket.on("open", () => socket.send(Buffer.from("hello"))).on("error", () => undefined);
    socket.on("message", () => resolve("in")).on("close", () => resolve("out"));
  });
  socket.terminate();
  return verdict;
}

/** By a lane made by hand: a client's own address is that of its lane, a gateway states its visitors'. */
async function byLane(
  { edge }: TestSite,
  kind: "client" | "gateway",
  token: string,
  address: string,
  endpoint: string,
): Promise<Verdict> {
  const headers: Record<string, string> = kind === "client" ? { "x-forwarded-for": address } : {};
  const socket = await greetedLane(edge, kind, token, { headers });
  const visitor = kind === "client" ? "" : `${address.includes(":") ? `[${address}]` : address}:4321`;
  const verdict = await new Promise<Verdict>((resolve) => {
    socket.on("message", (data: Buffer, isBinary) => {
      if (!isBinary) return;
      const frame = decodeFrame(data);
      if (frame.type === TYPE.ROUTES) {
        const slot = decodeControl(frame, Routes).slots[0]?.slot ?? 0;
        socket.send(encodeFrame({ type: TYPE.OPEN, slot, stream: 1 }, encodeOpen({ endpoint, visitor })));
      }
      if (frame.type === TYPE.REJECT) {
        expect(decodeFailure(frame.payload).code).toBe("denied");
        resolve("out");
      }
      // It got as far as the agent, which has no session with this caller.
      if (frame.type === TYPE.END) resolve("in");
    });
  });
  socket.terminate();
  return verdict;
}

async function behindBalancer(host: string, address: string, port: number): Promise<Verdict> {
  const socket = connect(port, host);
  const family = address.includes(":") ? ["TCP6", "::1"] : ["TCP4", "127.0.0.1"];
  socket.write(`PROXY ${family[0]} ${address} ${family[1]} 4321 ${port}\r\nhello`);
  const verdict = await new Promise<Verdict>((resolve) => {
    socket.on("error", () => undefined);
    socket.on("data", () => resolve("in")).on("close", () => resolve("out"));
  });
  socket.destroy();
  return verdict;
}
