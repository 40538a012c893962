import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { expect, test } from "vitest";
import type { ConnectionView, StatusView } from "../../shared/rule/api.ts";
import { digest, noise } from "../support/bytes.ts";
import { loopback } from "../support/net.ts";
import { ask, tcpServer, type TcpPeer } from "../support/peers.ts";
import { testSite, type TestSite } from "../support/site.ts";

const MIB = 1024 * 1024;

/** What is true soon; the machine may be busy. */
const PATIENT = { timeout: 40_000 };

test("a visitor who has said all still gets the whole answer, and the target the whole question", async () => {
  await using site = await testSite({ tcp: "8080" });
  // Says nothing before it has heard the end: only half-close gets anything through here.
  await using target = await tcpServer(loopback(), 0, (socket) => {
    let heard = "";
    socket.setEncoding("utf8").on("data", (text: string) => (heard += text));
    socket.on("end", () => socket.end(`${heard.length}:${heard.slice(-3)}`));
  });
  await mapped(site, target);
  expect(await ask(site.edge.host, 8080, `${"x".repeat(200_000)}end`)).toBe("200003:end");
  await leavesNothing(site);
  expect(await logged(site)).toMatchObject({ outcome: "done", bytesIn: 200_003, bytesOut: 10 });
});

test("a target that has said all still gets the rest of what the visitor says", async () => {
  await using site = await testSite({ tcp: "8080" });
  const heard = Promise.withResolvers<string>();
  await using target = await tcpServer(loopback(), 0, (socket) => {
    socket.end("that is all from me");
    let text = "";
    socket.setEncoding("utf8").on("data", (more: string) => (text += more));
    socket.on("end", () => heard.resolve(text));
  });
  await mapped(site, target);
  const visitor = connect({ host: site.edge.host, port: 8080, allowHalfOpen: true });
  let answer = "";
  visitor.setEncoding("utf8").on("data", (more: string) => (answer += more));
  await once(visitor, "end");
  expect(answer).toBe("that is all from me");
  visitor.end("and yet there is more to say");
  expect(await heard.promise).toBe("and yet there is more to say");
  await leavesNothing(site);
});

test("a target where nothing listens: the visitor is sent away, and the log and the status say why", async () => {
  await using site = await testSite({ tcp: "8080" });
  const address = `${loopback()}:9`;
  await site.map("8080/tcp", address);
  expect(await ask(site.edge.host, 8080, "anybody?").catch(() => "")).toBe("");
  const why = { code: "target-refused", reason: `${address} refused the connection: nothing listens there` };
  await expect.poll(() => logged(site), PATIENT).toMatchObject({ outcome: "refused", target: address, ...why });
  expect((await site.edge.json<StatusView>("status")).mappings).toMatchObject([{ streams: 0, lastRefusal: why }]);
});

test("a target outside of what the agent may dial is not dialled, and the log says so", async () => {
  await using site = await testSite({ tcp: "8080" });
  await site.map("8080/tcp", "169.254.169.254:80");
  expect(await ask(site.edge.host, 8080, "GET /latest/meta-data").catch(() => "")).toBe("");
  await expect.poll(() => logged(site), PATIENT).toMatchObject({ outcome: "refused", code: "target-denied" });
});

test("a target that breaks off in the middle ends the visitor's stream, and the log says who did", async () => {
  await using site = await testSite({ tcp: "8080" });
  await using target = await tcpServer(loopback(), 0, (socket) => {
    socket.once("data", () => socket.resetAndDestroy());
    socket.write("half of a");
  });
  await mapped(site, target);
  const visitor = visit(site);
  await once(visitor, "data");
  visitor.write("go on");
  await once(visitor, "close");
  await expect.poll(() => logged(site), PATIENT).toMatchObject({ outcome: "reset", code: "target-reset" });
  await leavesNothing(site);
});

test("a visitor who breaks off is broken off at the target, which must not take it for an end", async () => {
  await using site = await testSite({ tcp: "8080" });
  const fate = Promise.withResolvers<string>();
  await using target = await tcpServer(loopback(), 0, (socket) => {
    socket.on("error", (error: NodeJS.ErrnoException) => fate.resolve(error.code ?? ""));
    socket.on("end", () => fate.resolve("end"));
    socket.on("data", () => socket.write("noted"));
  });
  await mapped(site, target);
  const visitor = visit(site);
  visitor.write("half an upload");
  await once(visitor, "data");
  visitor.resetAndDestroy();
  expect(await fate.promise).toBe("ECONNRESET");
  await leavesNothing(site);
  expect(await logged(site)).toMatchObject({ code: "visitor-gone" });
});

test("one visitor who has stopped reading does not stop the others", async () => {
  await using site = await testSite({ tcp: "8080" });
  await using target = await tcpServer(loopback(), 0, (socket) => void noise(32 * MIB).pipe(socket));
  await mapped(site, target);
  const stopped = visit(site);
  await once(stopped, "readable");
  const expected = await digest(noise(32 * MIB));
  for (let turn = 0; turn < 2; turn += 1) expect(await digest(visit(site))).toEqual(expected);
  // It lost nothing by it.
  expect(await digest(stopped)).toEqual(expected);
  await leavesNothing(site);
});

test("fifty transfers at once, both ways, all arrive byte for byte", async () => {
  await using site = await testSite({ tcp: "8080" });
  await using target = await tcpServer(loopback());
  await mapped(site, target);
  const transfers = Array.from({ length: 50 }, async (_, seed) => {
    const visitor = visit(site);
    noise(MIB, seed).pipe(visitor);
    expect(await digest(visitor)).toEqual(await digest(noise(MIB, seed)));
  });
  await Promise.all(transfers);
  await leavesNothing(site);
});

test("a hundred idle streams and a hundred short ones leave nothing behind", async () => {
  await using site = await testSite({ tcp: "8080" });
  await using target = await tcpServer(loopback());
  await mapped(site, target);
  const idle = Array.from({ length: 100 }, () => visit(site));
  for (const socket of idle) socket.write("?");
  await Promise.all(idle.map((socket) => once(socket, "data")));
  expect(await streams(site)).toEqual([100, 100]);
  const turns = Array.from({ length: 100 }, (_, turn) => `short ${turn}`);
  expect(await Promise.all(turns.map((text) => ask(site.edge.host, 8080, text)))).toEqual(turns);
  const [first] = idle;
  first?.write("still there");
  expect(String((await once(first as Socket, "data"))[0])).toBe("still there");
  for (const socket of idle) socket.end();
  await leavesNothing(site);
});

test("an agent that is killed: new visitors are sent away, for want of an agent", async () => {
  await using site = await testSite({ tcp: "8080" });
  await using target = await tcpServer(loopback());
  await mapped(site, target);
  expect(await ask(site.edge.host, 8080, "before")).toBe("before");
  site.agent.kill("SIGKILL");
  await site.agent.ended;
  expect(await ask(site.edge.host, 8080, "after").catch(() => "")).toBe("");
  await expect.poll(() => logged(site), PATIENT).toMatchObject({ outcome: "refused", code: "no-agent" });
  const { sites, mappings } = await site.edge.json<StatusView>("status");
  expect([sites[0]?.state, mappings[0]?.state]).toEqual(["offline", "no-agent"]);
});

test("an agent that stands still for a while loses nothing", async () => {
  await using site = await testSite({ tcp: "8080" });
  await using target = await tcpServer(loopback());
  await mapped(site, target);
  const visitor = visit(site);
  const whole = digest(visitor);
  noise(16 * MIB).pipe(visitor);
  await once(visitor, "data");
  for (let turn = 0; turn < 5; turn += 1) {
    process.kill(site.agent.pid, "SIGSTOP");
    // Long enough for every window on the way to fill.
    await new Promise((resolve) => setTimeout(resolve, 300));
    process.kill(site.agent.pid, "SIGCONT");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  expect(await whole).toEqual(await digest(noise(16 * MIB)));
});

test("when the edge is started again, its agent is back by itself", async () => {
  await using site = await testSite({ tcp: "8080" });
  await using target = await tcpServer(loopback());
  await mapped(site, target);
  const old = visit(site);
  old.on("error", () => undefined);
  old.write("old");
  await once(old, "data");
  const gone = once(old, "close");
  await site.edge.stop();
  await gone;
  await site.edge.start();
  await expect.poll(() => ask(site.edge.host, 8080, "again").catch(() => ""), PATIENT).toBe("again");
  await leavesNothing(site);
}, 120_000);

test("a relay that has slept is a new object with its old lanes, and the next visitor gets through", async () => {
  await using site = await testSite({ tcp: "8080" });
  await using target = await tcpServer(loopback());
  await mapped(site, target);
  expect(await ask(site.edge.host, 8080, "awake")).toBe("awake");
  const before = await relayOf(site);
  let after = before;
  // workerd evicts it after ten idle seconds, counted from whatever it last did; asking for its status wakes it.
  for (let idle = 13; after.instance === before.instance && idle < 40; idle *= 1.4) {
    await new Promise((resolve) => setTimeout(resolve, idle * 1_000));
    expect(await ask(site.edge.host, 8080, "asleep")).toBe("asleep");
    after = await relayOf(site);
  }
  expect(after.instance).not.toBe(before.instance);
  expect({ ...after, instance: "" }).toEqual({ ...before, instance: "" });
}, 180_000);

async function mapped(site: TestSite, target: TcpPeer): Promise<void> {
  await site.map("8080/tcp", `${target.host}:${target.port}`);
}

function visit(site: TestSite): Socket {
  return connect({ host: site.edge.host, port: 8080, allowHalfOpen: false });
}

/** Live streams, as the agent's status and the mapping's count them. */
async function streams(site: TestSite): Promise<(number | undefined)[]> {
  const { sites, mappings } = await site.edge.json<StatusView>("status");
  return [sites[0]?.agents[0]?.streams, mappings[0]?.streams];
}

async function leavesNothing(site: TestSite): Promise<void> {
  await expect.poll(() => streams(site), PATIENT).toEqual([0, 0]);
}

/** The connection that ended last. */
async function logged(site: TestSite): Promise<ConnectionView | undefined> {
  return (await site.edge.json<ConnectionView[]>("log")).at(-1);
}

/** The relay's instance, and what must outlive it. */
async function relayOf(site: TestSite) {
  const { sites } = await site.edge.json<StatusView>("status");
  const [lab] = sites;
  // Other lanes come and go with the work there is.
  const since = lab?.agents[0]?.lanes.find(({ index }) => index === 0)?.since;
  return { instance: lab?.relay.instance, boot: lab?.relay.boot, since };
}
