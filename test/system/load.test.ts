import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import type { StatusView } from "../../shared/rule/api.ts";
import { loopback } from "../support/net.ts";
import { ask, tcpServer, udpServer, UdpVisitor } from "../support/peers.ts";
import { openFiles, residentMiB } from "../support/process.ts";
import { testSite, type TestSite } from "../support/site.ts";

// Many at once. Short versions are in test/e2e, longer ones in test/soak.

const LOOK_AGAIN_MS = 200;

test("two thousand idle streams and a thousand short ones leave nothing behind", async () => {
  await using site = await testSite({ tcp: "8080" });
  await using target = await tcpServer(loopback());
  await site.map("8080/tcp", `${target.host}:${target.port}`);
  const idle: Socket[] = [];
  // A hundred at a time: the edge accepts from a queue of finite length.
  for (let batch = 0; batch < 20; batch += 1) {
    const more = Array.from({ length: 100 }, () => connect({ host: site.edge.host, port: 8080 }));
    for (const socket of more) socket.write("?");
    await Promise.all(more.map((socket) => once(socket, "data")));
    idle.push(...more);
  }
  expect(await streams(site)).toBe(2_000);
  const turns = Array.from({ length: 100 }, (_, turn) => `short ${turn}`);
  for (let batch = 0; batch < 10; batch += 1) {
    expect(await Promise.all(turns.map((text) => ask(site.edge.host, 8080, text)))).toEqual(turns);
  }
  const [first] = idle;
  first?.write("still there");
  expect(String((await once(first as Socket, "data"))[0])).toBe("still there");
  for (const socket of idle) socket.end();
  while ((await streams(site)) !== 0) await sleep(LOOK_AGAIN_MS);
});

test("ten thousand flows come and go: their sockets go with them, and memory is what it was", async () => {
  await using site = await testSite();
  await using echo = await udpServer(loopback());
  const token = await site.token("gateway");
  await site.map("9000/udp", `${echo.host}:${echo.port}`, "--idle", "5s");
  const host = loopback();
  const gateway = await site.gateway(token, "--bind", host);
  await using first = new UdpVisitor({ host, port: 9000 });
  await first.ask("ready?");
  const programs = { agent: site.agent.pid, gateway: gateway.pid, workerd: site.edge.workerd };
  const sockets = await openFiles(programs.agent);
  const gatewaySockets = await openFiles(programs.gateway);
  const third = async (): Promise<Record<keyof typeof programs, number>> => {
    for (let round = 0; round < 7; round += 1) {
      await using visitors = new AsyncDisposableStack();
      const some = Array.from({ length: 500 }, () => visitors.use(new UdpVisitor({ host, port: 9000 })));
      await Promise.all(some.map((visitor) => visitor.ask("x")));
    }
    while ((await openFiles(programs.agent)) > sockets) {
      await first.ask("still here");
      await sleep(LOOK_AGAIN_MS);
    }
    const [agent, ours, workerd] = await Promise.all(Object.values(programs).map(residentMiB));
    return { agent: agent ?? 0, gateway: ours ?? 0, workerd: workerd ?? 0 };
  };
  // The heaps grow to what such a crowd takes, which may need two of them.
  await third();
  const warm = await third();
  const after = await third();
  expect(await openFiles(programs.gateway)).toBeLessThanOrEqual(gatewaySockets);
  // Five thousand flows more that were kept would be tens of MiB; workerd's memory climbs to a plateau of its own.
  expect(after.agent).toBeLessThan(warm.agent * 1.25 + 10);
  expect(after.gateway).toBeLessThan(warm.gateway * 1.25 + 10);
  expect(after.workerd).toBeLessThan(warm.workerd * 1.5 + 10);
  expect((await first.ask("again")).toString()).toBe("again");
});

async function streams(site: TestSite): Promise<number | undefined> {
  return (await site.edge.json<StatusView>("status")).sites[0]?.agents[0]?.streams;
}
